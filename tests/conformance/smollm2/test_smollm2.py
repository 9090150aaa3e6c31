"""A model that people use, from its GGUF file: says greedily what llama.cpp says with the same weights
(record.py), and chats by the template of the file."""

import json
import os
import unittest

from openai import OpenAI

# Where llama.cpp's best two logits are closer, the rest of the answer is not held against it. Between 0.001 and what
# F32 rounds lie two orders of magnitude: in F32 that is no answer.
MARGINS = {"f32": 0.001, "bf16": 0.1}
TOKENS_HELD = 180  # at least, of 416


class SmolLM2(unittest.TestCase):
    def setUp(self):
        self.client = OpenAI(base_url=os.environ["SWITCHYARD_URL"] + "/v1", api_key="none", max_retries=0, timeout=120)
        self.model = self.client.models.list().data[0].id

    def test_greedy_tokens_are_those_of_llama_cpp(self):
        path = os.path.join(os.path.dirname(__file__), "goldens.json")
        with open(path, encoding="utf-8") as file:
            goldens = json.load(file)
        self.assertEqual(len(goldens), 20)
        least = MARGINS[os.environ["SWITCHYARD_COMPUTE"]]
        held = 0
        for golden in goldens:
            with self.subTest(prompt=golden["prompt"]):
                held += self.check(golden, least)
        self.assertGreaterEqual(held, TOKENS_HELD)

    def check(self, golden, least):
        """The number of tokens that were compared."""
        margins, tokens = golden["margins"], golden["tokens"]
        sure = next((i for i, margin in enumerate(margins) if margin < least), len(margins))
        answer = self.client.completions.create(
            model=self.model, prompt=golden["prompt"], temperature=0, max_tokens=24, logprobs=1
        ).choices[0]
        self.assertEqual(answer.logprobs.tokens[:sure], tokens[:sure])
        if sure == len(tokens):
            self.assertEqual(answer.finish_reason, golden["finish_reason"])
        return sure

    def test_chat_follows_the_template_of_the_file(self):
        question = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
        answer = self.client.chat.completions.create(model=self.model, messages=question, temperature=0, max_tokens=40)
        self.assertIn("Paris", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
