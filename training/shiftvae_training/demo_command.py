def add_demo(subparsers):
    pass
