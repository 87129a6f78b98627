"""The series: what is asked of a source, what an answer must be, how it is scaled."""
