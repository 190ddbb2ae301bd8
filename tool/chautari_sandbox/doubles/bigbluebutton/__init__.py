"""What the doubles of BigBlueButton's packages hold, and the program that serves them."""
