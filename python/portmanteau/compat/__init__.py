"""Modules that answer as other tokenizer libraries do, so that code written for those runs on Portmanteau.

:mod:`portmanteau.compat.tiktoken` stands in for ``tiktoken`` 0.14, :mod:`portmanteau.compat.tokenizers` for Hugging
Face ``tokenizers`` 0.23. Names, arguments, return types, exceptions and the rules for special tokens are theirs;
neither needs to be installed. What they do not support raises; it never gives another answer than the original.

>>> from portmanteau.compat import tiktoken
>>> tiktoken.get_encoding("o200k_base").encode("by the way")
[2345, 290, 2006]
"""
