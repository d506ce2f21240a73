"""The inside of the command line: one module a verb, imported when the verb is called.

A verb reads its options, makes one public call and prints the answer; nothing is computed here. Every module has a
`command`; `cli.py` holds the table of names and one-line helps, so that `abnormal --help` imports none of these.
"""
