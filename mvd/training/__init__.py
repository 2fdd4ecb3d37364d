"""Learned scores: from examples of known truth, or from what a study's observers decided.

examples   candidates with their features and what they are; those of simulated sections
learner    from examples to a score
rivals     the learners it was chosen from, on the same examples
validation how well a score does on examples it has not seen
chart      its calibration curve as a picture
shipped    the score that comes with the program, made and tried
labels     what one review says of its candidates
gather     the labels of a study
reviewed   examples from those labels
trial      two scores on the same held-back specimens
study      a score from a study's reviews, tried and written; never put in force
"""
