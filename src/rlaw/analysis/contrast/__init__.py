"""Two recipes side by side: is one better?"""
