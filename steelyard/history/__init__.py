"""States of the data over time: read at a revision, compared, brought onto a branch, handed out."""
