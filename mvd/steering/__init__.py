"""What an observer steers the count by, proposed from that observer's corrections.

values    the values that are steered by, and those that are tried
search    which of them fit what an observer counted, tried on specimens left out; pure
reads     what an observer counted, specimen by specimen
trial     what the program counts in the same fields with each of the values
study     all of it for the finished reviews of a study; nothing is written
preview   one field at another sensitivity, and that kept in study.toml with a reason
"""
