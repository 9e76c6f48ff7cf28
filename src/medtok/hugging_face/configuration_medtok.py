"""The sizes of a MedTok token table (written by `medtok export hf`)."""
from transformers import PretrainedConfig


class MedTokConfig(PretrainedConfig):
    model_type = "medtok"

    def __init__(self, n_codes=0, tokens_per_group=5, dim=64, codebook_size=21000, code_bytes=1, groups=(), regions=(), residual=False, sparse=False,
                 graph_weight=1.0, **kwargs):
        self.n_codes = n_codes
        self.tokens_per_group = tokens_per_group
        self.dim = dim
        self.codebook_size = codebook_size
        self.code_bytes = code_bytes  # of the longest SYSTEM:CODE
        self.groups = list(groups)
        self.regions = [list(region) for region in regions]  # first row of the codebook and one past the last, of each group
        self.residual = bool(residual)
        self.sparse = bool(sparse)  # weights of least squares
        self.graph_weight = float(graph_weight)  # of the graph's two groups in vectors
        self.vocab_size = codebook_size + 1  # the last is the id where a token is absent
        self.hidden_size = len(self.groups) * dim
        kwargs.setdefault("pad_token_id", codebook_size)
        super().__init__(**kwargs)
