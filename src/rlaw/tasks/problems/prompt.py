"""How a question of mathematics is asked, and how two questions are told to be the same.

The words are those of arXiv 2509.25300 (its published problem files).
"""

import hashlib
import re
import unicodedata

BEFORE = "You are a knowledgeable math assistant. Answer the following questions and think step by step."
AFTER = r"Please output the final answer within \boxed{}."
_REQUEST = re.compile(r"\s*Please [^.$\\]{0,80}\\boxed\s*\{\s*\}\.?\s*$")
_NOTHING = re.compile(r"\\left(?![a-z])|\\right(?![a-z])|\\[,;:! ]|\$|\s|~")


def ask(question: str) -> str:
    """The prompt that asks a question of mathematics and wants the answer in a box."""
    return f"{BEFORE} {question.strip()} {AFTER}"


def question(prompt: str) -> str:
    """The question that a prompt asks, without the words around it."""
    return _REQUEST.sub("", prompt.removeprefix(BEFORE)).strip()


def fingerprint(prompt: str) -> bytes:
    """16 bytes that two prompts share when they ask the same question, up to case, spacing and dollars."""
    text = unicodedata.normalize("NFKC", question(prompt)).casefold()
    return hashlib.blake2b(_NOTHING.sub("", text).encode("utf-8", "surrogatepass"), digest_size=16).digest()
