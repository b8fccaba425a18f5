"""The optional extra `semantic`: tools are found by what a sentence means, with a small model that a package brings."""
