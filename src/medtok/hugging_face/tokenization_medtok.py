"""Medical codes to MedTok tokens (written by `medtok export hf`).

    tokenizer = AutoTokenizer.from_pretrained(FOLDER, trust_remote_code=True)
    tokenizer("ICD10CM:E11.9")                     # one code: input_ids, token_weights and attention_mask of G x K tokens
    tokenizer(["ICD10CM:E11.9", "ATC:A10BA02"])    # a list of codes: one row each
    tokenizer([["ICD10CM:E11.9", "ATC:A10BA02"], ["E78.5"]], padding=True, return_tensors="pt")    # histories, tokens side by side

Token ids are rows of the codebook; a code has G groups of K, in the order of the table. Where a group is absent, its ids are pad_token_id,
its weights and its mask 0. A code is spelled as in codes.tsv, with or without its system; if none is, case, blanks, dots and dashes do not
count. A name that means no code, or several, is a LookupError; with missing="absent" one that means none has absent tokens alone.
"""
import difflib
import os
import shutil
import unicodedata

import numpy as np
from safetensors import safe_open
from transformers import BatchEncoding, PreTrainedTokenizer


def loose(name):
    """Without case, blanks, dots and dashes; other characters tell codes apart."""
    return "".join(c for c in name.upper() if not c.isspace() and c != "." and unicodedata.category(c) != "Pd")


def find(index, name):
    """A whole name goes before a code without its system."""
    whole, bare = index
    return whole.get(name) or bare.get(name, [])


class CodeIndex:
    """Rows of codes, from their names as SYSTEM:CODE in the order of the rows."""

    def __init__(self, names):
        self.names = names
        self._exact, self._loose = self._index(str), None

    def _index(self, spelled):
        """Rows by whole names, and by codes without their system."""
        whole, bare = {}, {}
        for row, name in enumerate(self.names):
            whole.setdefault(spelled(name), []).append(row)
            bare.setdefault(spelled(name.partition(":")[2]), []).append(row)
        return whole, bare

    def _loosely(self, name):
        if self._loose is None:
            self._loose = self._index(loose)
        return find(self._loose, loose(name))

    def row(self, name, missing="error"):
        """The row of a code; -1 where there is none and missing is "absent"."""
        if missing not in ("error", "absent"):
            raise ValueError(f'missing is "{missing}": expected "error" or "absent"')
        rows = find(self._exact, name) or self._loosely(name)
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise LookupError(f"{name} means several codes: {', '.join(self.names[row] for row in rows[:8])}; name one of them")
        if missing == "absent":
            return -1
        begins = [known for known in self.names if loose(known.partition(":")[2])[:3] == loose(name.rpartition(":")[2])[:3]]
        near = difflib.get_close_matches(name, begins[:20000], 5, 0)
        raise LookupError(f"{name} is not in the table" + (f"; spelled most like it: {', '.join(near)}" if near else ""))


class MedTokTokenizer(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": "codes.tsv", "table_file": "model.safetensors"}
    model_input_names = ["input_ids", "token_weights", "attention_mask"]

    def __init__(self, vocab_file, table_file, pad_token="<absent>", **kwargs):
        self.vocab_file, self.table_file = vocab_file, table_file
        with open(vocab_file, encoding="utf-8") as lines:
            next(lines)
            self.codes = CodeIndex([":".join(line.rstrip("\n").split("\t")[:2]) for line in lines])
        with safe_open(table_file, "np") as table:
            self._tokens, self._weights = table.get_tensor("tokens"), table.get_tensor("weights")
            self._size = table.get_slice("codebook.weight").get_shape()[0]
        super().__init__(pad_token=pad_token, **kwargs)

    # ---- codes ----
    def rows(self, codes, missing="error"):
        """Rows of the table, int64 [n]."""
        return np.array([self.codes.row(code, missing) for code in codes], dtype=np.int64)

    def lookup(self, codes, missing="error"):
        """tokens int32 [n, G, K] (-1 where absent) and weights float32 [n, G, K] of codes, as `medtok lookup` prints them."""
        rows = self.rows([codes] if isinstance(codes, str) else codes, missing)
        there = (rows >= 0)[:, None, None]
        return np.where(there, self._tokens[rows], -1).astype(np.int32), np.where(there, self._weights[rows], 0).astype(np.float32)

    def _encode(self, codes, missing):
        tokens, weights = (a.reshape(-1) for a in self.lookup(codes, missing))
        return {"input_ids": np.where(tokens < 0, self.pad_token_id, tokens).tolist(),
                "token_weights": weights.tolist(),
                "attention_mask": (tokens >= 0).astype(int).tolist()}

    def __call__(self, text, padding=False, max_length=None, return_tensors=None, missing="error", **kwargs):
        """text: a code; a list of codes, each a row; or a list of lists of codes, a row for each list. padding, max_length, return_tensors: as
        for other tokenizers; what does not fit max_length is an error."""
        if isinstance(text, str):
            encoded = self._encode([text], missing)
            return BatchEncoding({k: [v] for k, v in encoded.items()} if return_tensors else encoded, tensor_type=return_tensors)
        rows = [self._encode([codes] if isinstance(codes, str) else codes, missing) for codes in text]
        longest = max((len(row["input_ids"]) for row in rows), default=0)
        length = max_length if padding == "max_length" and max_length else longest
        if max_length and longest > max_length:
            raise ValueError(f"the longest row has {longest} tokens, more than max_length {max_length}: give it fewer codes")
        if padding:
            for row in rows:
                n = length - len(row["input_ids"])
                row["input_ids"] += n * [self.pad_token_id]
                row["token_weights"] += n * [0.0]
                row["attention_mask"] += n * [0]
        return BatchEncoding({k: [row[k] for row in rows] for k in self.model_input_names}, tensor_type=return_tensors)

    # ---- what transformers asks of a tokenizer ----
    @property
    def vocab_size(self):
        return self._size

    def get_vocab(self):
        return {**{str(i): i for i in range(self._size)}, **self.added_tokens_encoder}

    def _tokenize(self, text, **kwargs):
        tokens, _ = self.lookup(text.split())
        return [str(t) if t >= 0 else self.pad_token for t in tokens.reshape(-1)]

    def _convert_token_to_id(self, token):
        return int(token) if token.isdigit() and int(token) < self._size else self.pad_token_id

    def _convert_id_to_token(self, index):
        return str(index)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        paths = []
        for path, name in ((self.vocab_file, "codes.tsv"), (self.table_file, "model.safetensors")):
            paths.append(os.path.join(save_directory, (filename_prefix + "-" if filename_prefix else "") + name))
            if not os.path.exists(paths[-1]):
                shutil.copyfile(path, paths[-1])
        return tuple(paths)
