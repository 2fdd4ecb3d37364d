"""Learned scores, groups and looks: from pictures of known truth, or from what a study's observers decided.

Nothing else in the program imports scikit-learn or PyTorch, or reads pictures of known truth.

The shipped score and groups, and those that leave a laboratory out:

pictures      pictures in which everything is known, and composites of their pixels
retouching    the same as another laboratory might have stained and photographed them
grown         their trees of groups, each group labelled
groups        from those to the groups that are whole vessels
looks         from those to how a vessel looks: a network (PyTorch)
laboratories  everything learned with each laboratory left out in turn
shipped       all that comes with the program, written
cards         the card and the page beside the weights

Of both kinds:

examples      candidates with their features and what they are
boosting      boosted trees of one split as step functions
learner       from examples to a score
validation    how well a score does on examples it has not seen
chart         its calibration curve as a picture

A study's own score:

labels        what one review says of its candidates
gather        the labels of a study
reviewed      examples from those labels
trial         two scores on the same held-back specimens
study         a score from a study's reviews, tried and written; never put in force
"""
