"""Floor 2: mask methods (one file each), set operations on masks, the maskings of a forward pass, and MaskedModel."""
