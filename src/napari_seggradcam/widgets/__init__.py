"""The Qt room: the dock widget, its sections and what they set in motion.

Each section is a small widget that shows values and emits signals; it knows
neither the viewer nor the computation. The controllers own those. What can be
said without Qt lives in ``viewer``; what computes lives further up the house and
is imported only inside workers, so that opening the dock loads no torch.
"""
