"""What is measured on: the shapes of test files, labelled and graded texts, everyday language."""
