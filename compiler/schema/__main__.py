"""`make schemas`."""

from meshplan.compiler.schema import write_all

if __name__ == "__main__":
    write_all()
