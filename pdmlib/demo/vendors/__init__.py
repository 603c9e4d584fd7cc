"""The vendors of the demo, one file each; their own helpers beside them."""
