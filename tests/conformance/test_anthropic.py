"""The real Anthropic client: messages, streams, tools, counting, errors."""

import os
import unittest
from typing import Literal

import anthropic
from anthropic import Anthropic
from pydantic import BaseModel

MODEL = "tiny-r1"
EGYPT = [{"role": "user", "content": "What is the capital of Egypt?"}]
EGYPT_ANSWER = "The capital of Egypt is Cairo."
ROME = [{"role": "user", "content": "What is the weather in Rome?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"name": "get_weather", "description": "Weather of a city", "input_schema": CITY},
    {"name": "get_time", "description": "Local time of a city", "input_schema": CITY},
]


class Place(BaseModel):
    country: Literal["Croatia", "Mexico"]
    capital: Literal["Oslo", "Paris", "Zagreb"]


class Messages(unittest.TestCase):
    def setUp(self):
        self.client = Anthropic(base_url=os.environ["SWITCHYARD_URL"], api_key="none", max_retries=0, timeout=60)
        self.fields = {"model": MODEL, "max_tokens": 200}

    def create(self, **more):
        return self.client.messages.create(**{**self.fields, "extra_body": {"temperature": 0}, **more})

    def test_answer(self):
        message = self.create(messages=EGYPT)
        self.assertEqual(message.content[0].type, "text")
        self.assertEqual(message.content[0].text, EGYPT_ANSWER)
        self.assertEqual(message.role, "assistant")
        self.assertEqual(message.stop_reason, "end_turn")
        self.assertGreater(message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0), 5)
        self.assertGreater(message.usage.output_tokens, 3)

    def test_stream(self):
        events = list(self.create(messages=EGYPT, stream=True))
        self.assertEqual(events[0].type, "message_start")
        self.assertEqual(events[-1].type, "message_stop")
        deltas = [event.delta.text for event in events if event.type == "content_block_delta"]
        self.assertEqual("".join(deltas), EGYPT_ANSWER)
        (end,) = [event for event in events if event.type == "message_delta"]
        self.assertEqual(end.delta.stop_reason, "end_turn")

    def test_the_helper_that_streams(self):
        arguments = {**self.fields, "extra_body": {"temperature": 0}}
        with self.client.messages.stream(messages=EGYPT, **arguments) as stream:
            self.assertEqual("".join(stream.text_stream), EGYPT_ANSWER)
            self.assertEqual(stream.get_final_message().content[0].text, EGYPT_ANSWER)

    def test_system_and_thoughts(self):
        message = self.create(
            system="You serve as a test of a cluster.",
            messages=[{"role": "user", "content": "Describe Croatia as JSON."}],
            extra_body={"temperature": 0, "thinking": {"type": "enabled", "budget_tokens": 1024}},
        )
        self.assertEqual([block.type for block in message.content], ["thinking", "text"])
        self.assertEqual(message.content[0].thinking, "The user wants JSON.")
        self.assertIn("Zagreb", message.content[1].text)

    def test_parse(self):
        message = self.client.messages.parse(
            system="You serve as a test of a cluster.",
            messages=[{"role": "user", "content": "Describe Croatia as JSON."}],
            output_format=Place,
            extra_body={"temperature": 0},
            **self.fields,
        )
        self.assertIsInstance(message.parsed_output, Place)
        self.assertEqual(message.parsed_output.country, "Croatia")

    def test_stops(self):
        message = self.create(messages=EGYPT, stop_sequences=["Egypt"])
        self.assertEqual(message.stop_reason, "stop_sequence")
        self.assertEqual(message.stop_sequence, "Egypt")
        self.assertEqual(self.create(messages=EGYPT, max_tokens=2).stop_reason, "max_tokens")

    def test_tools(self):
        message = self.create(messages=ROME, tools=TOOLS)
        self.assertEqual(message.stop_reason, "tool_use")
        (call,) = message.content
        self.assertEqual((call.type, call.name, call.input), ("tool_use", "get_weather", {"city": "Rome"}))
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "Sunny, 20 degrees"}
        turns = [*ROME, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
        self.assertTrue(self.create(messages=turns, tools=TOOLS, max_tokens=60).content)

    def test_tools_that_must_be_called(self):
        for choice in ({"type": "any"}, {"type": "tool", "name": "get_time"}):
            message = self.create(messages=ROME, tools=TOOLS, tool_choice={**choice, "disable_parallel_tool_use": True})
            (call,) = message.content
            self.assertEqual(call.name, choice.get("name", "get_weather"))
            self.assertIsInstance(call.input["city"], str)
        arguments = {**self.fields, "extra_body": {"temperature": 0}}
        with self.client.messages.stream(messages=ROME, tools=TOOLS, tool_choice={"type": "any"}, **arguments) as stream:
            call = stream.get_final_message().content[0]
        self.assertEqual((call.name, call.input), ("get_weather", {"city": "Rome"}))

    def test_count_tokens(self):
        count = self.client.messages.count_tokens(model=MODEL, messages=EGYPT).input_tokens
        usage = self.create(messages=EGYPT).usage
        self.assertEqual(usage.input_tokens + (usage.cache_read_input_tokens or 0), count)
        self.assertGreater(self.client.messages.count_tokens(model=MODEL, messages=ROME, tools=TOOLS).input_tokens, count)

    def test_errors(self):
        with self.assertRaises(anthropic.NotFoundError) as raised:
            self.create(model="other", messages=EGYPT)
        self.assertEqual(raised.exception.body["error"]["type"], "not_found_error")
        with self.assertRaises(anthropic.BadRequestError) as raised:
            self.create(messages=[{"role": "king", "content": "x"}])
        self.assertEqual(raised.exception.body["error"]["type"], "invalid_request_error")


if __name__ == "__main__":
    unittest.main()
