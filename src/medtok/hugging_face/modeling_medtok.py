"""Vectors of medical codes from their MedTok tokens (written by `medtok export hf`).

    model = AutoModel.from_pretrained(FOLDER, trust_remote_code=True)
    found = model.lookup(["ICD10CM:E11.9", "ATC:A10BA02"])    # found.tokens, found.weights [n, G, K], found.embeddings [n, G x d]
    out = model(**tokenizer(codes, return_tensors="pt"))      # out.last_hidden_state [rows, codes, G x d], out.pooler_output [rows, G x d]

lookup reads the table; forward makes the same vectors from tokens, as weighted sums of rows of the codebook, the graph's two groups times
config.graph_weight, with gradients to them. found.weights are without that factor.
"""
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput

from .configuration_medtok import MedTokConfig
from .tokenization_medtok import CodeIndex


@dataclass
class MedTokCodes(ModelOutput):
    tokens: torch.Tensor | None = None  # int32 [n, G, K]: rows of the codebook, -1 where absent
    weights: torch.Tensor | None = None  # [n, G, K]
    embeddings: torch.Tensor | None = None  # [n, G x d]


class MedTokModel(PreTrainedModel):
    config_class = MedTokConfig
    base_model_prefix = "medtok"
    main_input_name = "input_ids"

    def __init__(self, config):
        super().__init__(config)
        n, groups = config.n_codes, len(config.groups)
        self.codebook = torch.nn.Embedding(config.codebook_size, config.dim)
        self.register_buffer("codes", torch.zeros(n, config.code_bytes, dtype=torch.uint8))  # SYSTEM:CODE, filled up with zeros
        self.register_buffer("tokens", torch.zeros(n, groups, config.tokens_per_group, dtype=torch.int32))
        self.register_buffer("weights", torch.zeros(n, groups, config.tokens_per_group))
        self.register_buffer("embeddings", torch.zeros(n, groups * config.dim))
        self._index = None
        self.post_init()

    def _init_weights(self, module):
        pass  # all comes from the file

    def get_input_embeddings(self):
        return self.codebook

    def index(self):
        """The codes of the table, by name."""
        if self._index is None:
            self._index = CodeIndex([bytes(row).rstrip(b"\0").decode() for row in self.codes.cpu().numpy()])
        return self._index

    def lookup(self, codes, missing="error"):
        """Tokens, weights and vectors of codes, as in the table. missing: "error" (LookupError), or "absent": tokens of -1, weights and vector 0."""
        names = [codes] if isinstance(codes, str) else codes
        rows = torch.tensor([self.index().row(name, missing) for name in names], dtype=torch.long, device=self.tokens.device)
        there = rows >= 0
        return MedTokCodes(tokens=torch.where(there[:, None, None], self.tokens[rows], -1),
                           weights=self.weights[rows] * there[:, None, None],
                           embeddings=self.embeddings[rows] * there[:, None])

    def forward(self, input_ids, token_weights, attention_mask=None, return_dict=True, **kwargs):
        """input_ids, token_weights, attention_mask: [rows, codes x G x K], of the tokenizer. pooler_output is the mean over a row's codes that have
        any token."""
        shape = (input_ids.shape[0], -1, len(self.config.groups), self.config.tokens_per_group)
        there = input_ids < self.config.codebook_size if attention_mask is None else attention_mask.bool()
        rows = self.codebook(input_ids.clamp(max=self.config.codebook_size - 1)).view(*shape, self.config.dim)
        weights = (token_weights * there).view(shape).to(rows.dtype)
        of_groups = rows.new_tensor([self.config.graph_weight if g % 2 else 1.0 for g in range(len(self.config.groups))])  # 1 and 3 are the graph's
        vectors = ((weights.unsqueeze(-1) * rows).sum(-2) * of_groups.unsqueeze(-1)).flatten(-2)
        used = there.view(shape).flatten(-2).any(-1).unsqueeze(-1).to(rows.dtype)
        mean = (vectors * used).sum(1) / used.sum(1).clamp(min=1)
        out = BaseModelOutputWithPooling(last_hidden_state=vectors, pooler_output=mean)
        return out if return_dict else out.to_tuple()
