"""Templates: what new plugins are started from, those that ship and those that operators add.

1. A template is data: files whose names and text are Jinja2, and the variables that they use (`definition`).
2. What ships is trusted and rendered where it is wanted. What operators add is parsed, compiled and run only in a child process with
   limits (`renderer`, `child`); nothing of it ever runs in the server's own process.
3. What was rendered is checked again before anybody gets it: a name made of variables may not leave its folder (`paths`).

Import from the modules: this package itself stays empty, because the child process pays for every import.
"""
