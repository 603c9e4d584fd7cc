"""One function a figure: a frame or rows in, a picture out that says in words what it shows.

Nothing is computed here beyond layout. An empty input gives a picture with the reason."""
