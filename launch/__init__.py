"""Floor 4: a sweep file becomes points, and points become runs on this machine."""
