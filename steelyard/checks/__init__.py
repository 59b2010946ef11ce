"""What is wrong with the data, found before anything is trained on it: one decode of each image, findings with ids."""
