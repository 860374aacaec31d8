"""Python faces of the compiled core: windows in, maps out, at the speed of memory."""
