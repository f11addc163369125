"""Methods that make a map of feature maps A_k and the gradient dS/dA_k of one network layer."""
