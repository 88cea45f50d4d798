"""What a report says of single predictions and classes: the sentences attended to, and how far h(x) moved."""
