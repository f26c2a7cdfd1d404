"""The stream as a picture: in a window, in a browser, or in a file."""
