"""Object and background of pictures: which ones are looked at closely, where their object is, what is filled."""
