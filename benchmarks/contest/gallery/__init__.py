"""The gallery of the zoo: every cell with its equations, its source, its size, its speed, and how it learns."""
