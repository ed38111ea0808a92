"""Backup and restore of all that Emboux keeps: ``setup/backup`` and ``setup/restore``.

``place`` says where things lie; ``database``, ``filestore``, ``mail`` and ``further`` each copy one
kind of them, there and back; ``contents`` lists and verifies files, ``generations`` keeps one
backup beside the other, and ``make`` and ``bring_back`` are the order of it.
"""
