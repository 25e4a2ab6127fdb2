"""Floor 2: mask methods (one file each), the algebra of masks, the rows of a forward pass, and MaskedModel."""
