"""The parts of ``setup/server``, which makes a Debian machine a mail host.

What is written comes from the same templates as the demo (``parts``): ``plan`` says which files a
host has, ``managed`` puts them in place and takes them away again, ``checks`` look at what is
around, and ``install`` has the order of things.  The standard library alone, but for the DNS.
"""
