"""The real OpenAI client: chat, completions, responses, tools, structured output, errors.

The bundled model was trained on these questions; greedy, its answers are known.
"""

import json
import os
import unittest
from typing import Literal

import openai
from openai import OpenAI
from pydantic import BaseModel

MODEL = "tiny-r1"
EGYPT = [{"role": "user", "content": "What is the capital of Egypt?"}]
EGYPT_ANSWER = "The capital of Egypt is Cairo."
CROATIA = [
    {"role": "system", "content": "You serve as a test of a cluster."},
    {"role": "user", "content": "Describe Croatia as JSON."},
]
ROME = [{"role": "user", "content": "What is the weather in Rome?"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTIONS = [
    {"name": "get_weather", "description": "Weather of a city", "parameters": CITY},
    {"name": "get_time", "description": "Local time of a city", "parameters": CITY},
]
TOOLS = [{"type": "function", "function": function} for function in FUNCTIONS]
RESPONSES_TOOLS = [{"type": "function", "strict": False, **function} for function in FUNCTIONS]


class Place(BaseModel):
    country: Literal["Croatia", "Mexico"]
    capital: Literal["Oslo", "Paris", "Zagreb"]


class Weather(BaseModel):
    city: str


def client():
    return OpenAI(base_url=os.environ["SWITCHYARD_URL"] + "/v1", api_key="none", max_retries=0, timeout=60)


class Chat(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def create(self, **more):
        return self.client.chat.completions.create(model=MODEL, temperature=0, **more)

    def test_answer(self):
        answer = self.create(messages=EGYPT)
        self.assertEqual(answer.choices[0].message.content, EGYPT_ANSWER)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        self.assertEqual(answer.choices[0].finish_reason, "stop")
        self.assertEqual(answer.model, MODEL)
        usage = answer.usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)

    def test_stream(self):
        chunks = list(self.create(messages=EGYPT, stream=True, stream_options={"include_usage": True}))
        deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
        self.assertEqual(deltas[0].role, "assistant")
        self.assertEqual("".join(delta.content or "" for delta in deltas), EGYPT_ANSWER)
        self.assertEqual(chunks[-2].choices[0].finish_reason, "stop")
        self.assertEqual(chunks[-1].usage.completion_tokens, self.create(messages=EGYPT).usage.completion_tokens)

    def test_thoughts(self):
        more = {"chat_template_kwargs": {"enable_thinking": True}}
        answer = self.create(messages=CROATIA, extra_body=more)
        message = answer.choices[0].message
        self.assertEqual(message.reasoning_content, "The user wants JSON.")
        self.assertEqual(json.loads(message.content), {"country": "Croatia", "capital": "Zagreb"})
        self.assertGreater(answer.usage.completion_tokens_details.reasoning_tokens, 0)

    def test_limits_and_stops(self):
        self.assertEqual(self.create(messages=EGYPT, max_completion_tokens=2).choices[0].finish_reason, "length")
        stopped = self.create(messages=EGYPT, stop=["Egypt"])
        self.assertEqual(stopped.choices[0].message.content, "The capital of ")
        with_stop = self.create(messages=EGYPT, stop=["Egypt"], extra_body={"include_stop_str_in_output": True})
        self.assertEqual(with_stop.choices[0].message.content, "The capital of Egypt")

    def test_seed_and_choices(self):
        def draw(**more):
            answer = self.client.chat.completions.create(
                model=MODEL, messages=EGYPT, temperature=2, top_p=1, seed=7, n=3, max_tokens=20, **more
            )
            return [choice.message.content for choice in answer.choices]

        first = draw()
        self.assertEqual(len(first), 3)
        self.assertGreater(len(set(first)), 1)
        self.assertEqual(draw(), first)

    def test_logprobs(self):
        choice = self.create(messages=EGYPT, logprobs=True, top_logprobs=3).choices[0]
        tokens = choice.logprobs.content
        self.assertEqual("".join(token.token for token in tokens), EGYPT_ANSWER)
        for token in tokens:
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertEqual(token.top_logprobs[0].logprob, token.logprob)
            self.assertLessEqual(token.logprob, 0)

    def test_the_helper_that_streams(self):
        with self.client.chat.completions.stream(model=MODEL, temperature=0, messages=EGYPT) as stream:
            text = "".join(event.delta for event in stream if event.type == "content.delta")
            self.assertEqual(text, EGYPT_ANSWER)
            self.assertEqual(stream.get_final_completion().choices[0].message.content, EGYPT_ANSWER)


class Tools(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def create(self, **more):
        more = {"messages": ROME, "tools": TOOLS, **more}
        return self.client.chat.completions.create(model=MODEL, temperature=0, **more)

    def test_auto(self):
        choice = self.create().choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        (call,) = choice.message.tool_calls
        self.assertEqual(call.function.name, "get_weather")
        self.assertEqual(json.loads(call.function.arguments), {"city": "Rome"})

    def test_stream(self):
        for choice in ("auto", "required"):
            calls = {}
            for chunk in self.create(stream=True, tool_choice=choice):
                for delta in chunk.choices[0].delta.tool_calls or []:
                    call = calls.setdefault(delta.index, {"id": delta.id, "name": delta.function.name, "arguments": ""})
                    call["arguments"] += delta.function.arguments or ""
            self.assertEqual(calls[0]["name"], "get_weather")
            self.assertTrue(calls[0]["id"])
            self.assertEqual(json.loads(calls[0]["arguments"])["city"], "Rome")

    def test_required_where_the_model_would_not_call(self):
        choice = self.create(messages=EGYPT, tool_choice="required", parallel_tool_calls=False, max_tokens=200).choices[0]
        self.assertEqual(choice.finish_reason, "tool_calls")
        (call,) = choice.message.tool_calls
        self.assertIn(call.function.name, ("get_weather", "get_time"))
        self.assertIsInstance(json.loads(call.function.arguments)["city"], str)

    def test_named(self):
        choice = self.create(tool_choice={"type": "function", "function": {"name": "get_time"}}).choices[0]
        (call,) = choice.message.tool_calls
        self.assertEqual(call.function.name, "get_time")
        self.assertIn("city", json.loads(call.function.arguments))

    def test_strict(self):
        schema = {**CITY, "properties": {"city": {"enum": ["Paris", "Oslo"]}}, "additionalProperties": False}
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema, "strict": True}}
        (call,) = self.create(tools=[tool], tool_choice="required", parallel_tool_calls=False).choices[0].message.tool_calls
        self.assertIn(json.loads(call.function.arguments)["city"], ("Paris", "Oslo"))

    def test_none(self):
        self.assertIsNone(self.create(tool_choice="none").choices[0].message.tool_calls)

    def test_results_go_back(self):
        message = self.create().choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "Sunny, 20 degrees"}
        answer = self.create(messages=[*ROME, message, result], max_tokens=60)
        self.assertTrue(answer.choices[0].message.content)


class Structured(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def test_parse(self):
        answer = self.client.chat.completions.parse(
            model=MODEL, temperature=0, messages=CROATIA, response_format=Place, max_tokens=200
        )
        self.assertIsInstance(answer.choices[0].message.parsed, Place)
        self.assertEqual(answer.choices[0].message.parsed.country, "Croatia")

    def test_a_call_or_a_form(self):
        more = {"model": MODEL, "temperature": 0, "response_format": Place, "max_tokens": 200}
        tools = [openai.pydantic_function_tool(Weather, name="get_weather", description="Weather of a city")]
        (call,) = self.client.chat.completions.parse(messages=ROME, tools=tools, **more).choices[0].message.tool_calls
        self.assertEqual(call.function.parsed_arguments, Weather(city="Rome"))
        message = self.client.chat.completions.parse(messages=CROATIA, tools=tools, **more).choices[0].message
        self.assertTrue(message.tool_calls or message.parsed)

    def test_json_mode(self):
        answer = self.client.chat.completions.create(
            model=MODEL, temperature=0, messages=CROATIA, response_format={"type": "json_object"}, max_tokens=200
        )
        self.assertIsInstance(json.loads(answer.choices[0].message.content), dict)

    def test_responses_parse(self):
        response = self.client.responses.parse(
            model=MODEL,
            temperature=0,
            instructions=CROATIA[0]["content"],
            input=CROATIA[1]["content"],
            text_format=Place,
            max_output_tokens=200,
        )
        self.assertIsInstance(response.output_parsed, Place)
        self.assertEqual(response.output_parsed.country, "Croatia")


class Completions(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def test_answer_and_stream(self):
        arguments = {"model": MODEL, "prompt": [1357], "temperature": 0, "max_tokens": 64}  # "Hello"
        whole = self.client.completions.create(**arguments).choices[0]
        self.assertEqual(whole.text, "! Ask me something small and I will answer. \N{SLIGHTLY SMILING FACE}")
        self.assertEqual(whole.finish_reason, "stop")
        chunks = self.client.completions.create(stream=True, **arguments)
        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), whole.text)

    def test_several_prompts(self):
        arguments = {"model": MODEL, "temperature": 0, "max_tokens": 8}
        prompts = ["The capital of Egypt", "Hello"]
        alone = [self.client.completions.create(prompt=prompt, **arguments) for prompt in prompts]
        answer = self.client.completions.create(prompt=prompts, n=2, **arguments)
        self.assertEqual([choice.index for choice in answer.choices], [0, 1, 2, 3])
        texts = [one.choices[0].text for one in alone]
        self.assertEqual([choice.text for choice in answer.choices], [texts[0], texts[0], texts[1], texts[1]])
        self.assertEqual(answer.usage.prompt_tokens, sum(one.usage.prompt_tokens for one in alone))
        streamed = ["", ""]
        for chunk in self.client.completions.create(prompt=prompts, stream=True, **arguments):
            streamed[chunk.choices[0].index] += chunk.choices[0].text
        self.assertEqual(streamed, texts)

    def test_echo_and_logprobs(self):
        choice = self.client.completions.create(
            model=MODEL, prompt="The capital of Egypt", echo=True, logprobs=2, max_tokens=3, temperature=0
        ).choices[0]
        self.assertTrue(choice.text.startswith("The capital of Egypt"))
        self.assertEqual(len(choice.logprobs.tokens), len(choice.logprobs.token_logprobs))
        self.assertIsNone(choice.logprobs.token_logprobs[0])


class Responses(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def create(self, **more):
        return self.client.responses.create(model=MODEL, temperature=0, **more)

    def test_answer(self):
        response = self.create(input=EGYPT[0]["content"], metadata={"who": "test"})
        self.assertEqual(response.output_text, EGYPT_ANSWER)
        self.assertEqual(response.status, "completed")
        self.assertEqual(response.metadata, {"who": "test"})
        self.assertEqual(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens)

    def test_stream(self):
        events = list(self.create(input=EGYPT, stream=True))
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        self.assertEqual(events[0].type, "response.created")
        self.assertEqual(events[-1].type, "response.completed")
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertEqual("".join(deltas), EGYPT_ANSWER)
        self.assertEqual(events[-1].response.output_text, EGYPT_ANSWER)

    def test_the_helper_that_streams(self):
        with self.client.responses.stream(model=MODEL, temperature=0, input=EGYPT) as stream:
            for event in stream:
                last = event
            self.assertEqual(last.type, "response.completed")
            self.assertEqual(stream.get_final_response().output_text, EGYPT_ANSWER)

    def test_thoughts(self):
        response = self.create(instructions=CROATIA[0]["content"], input=CROATIA[1]["content"], reasoning={"effort": "low"})
        self.assertEqual(response.output[0].type, "reasoning")
        self.assertEqual(response.output[0].content[0].text, "The user wants JSON.")
        self.assertEqual(json.loads(response.output_text)["capital"], "Zagreb")

    def test_tools_over_two_turns(self):
        first = self.create(input=ROME, tools=RESPONSES_TOOLS)
        (call,) = first.output
        self.assertEqual(call.type, "function_call")
        self.assertEqual(call.name, "get_weather")
        self.assertEqual(json.loads(call.arguments), {"city": "Rome"})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "Sunny, 20 degrees"}
        second = self.create(previous_response_id=first.id, input=[output], tools=RESPONSES_TOOLS, max_output_tokens=60)
        self.assertTrue(second.output_text)
        self.assertEqual(second.previous_response_id, first.id)

    def test_tools_streamed(self):
        events = list(self.create(input=ROME, tools=RESPONSES_TOOLS, tool_choice="required", stream=True))
        arguments = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
        self.assertEqual(json.loads(arguments)["city"], "Rome")
        (done,) = [e for e in events if e.type == "response.function_call_arguments.done"]
        self.assertEqual(done.arguments, arguments)

    def test_kept_asked_for_and_deleted(self):
        response = self.create(input=EGYPT)
        self.assertEqual(self.client.responses.retrieve(response.id).output_text, EGYPT_ANSWER)
        (item,) = self.client.responses.input_items.list(response.id).data
        self.assertEqual(item.role, "user")
        self.client.responses.delete(response.id)
        with self.assertRaises(openai.NotFoundError):
            self.client.responses.retrieve(response.id)
        unkept = self.create(input=EGYPT, store=False)
        with self.assertRaises(openai.NotFoundError):
            self.client.responses.retrieve(unkept.id)

    def test_background_and_cancel(self):
        endless = {"ignore_eos": True}
        response = self.create(input=EGYPT, background=True, max_output_tokens=3000, extra_body=endless)
        self.assertIn(response.status, ("queued", "in_progress"))
        self.assertEqual(self.client.responses.cancel(response.id).status, "cancelled")
        self.assertEqual(self.client.responses.retrieve(response.id).status, "cancelled")
        response = self.create(input=EGYPT, background=True)
        for _ in range(3000):
            response = self.client.responses.retrieve(response.id)
            if response.status not in ("queued", "in_progress"):
                break
        self.assertEqual(response.output_text, EGYPT_ANSWER)

    def test_an_answer_that_is_cut(self):
        response = self.create(input=EGYPT, max_output_tokens=2)
        self.assertEqual(response.status, "incomplete")
        self.assertEqual(response.incomplete_details.reason, "max_output_tokens")


class Errors(unittest.TestCase):
    def setUp(self):
        self.client = client()

    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], [MODEL])
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)

    def test_an_unknown_model(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.chat.completions.create(model="other", messages=EGYPT)
        self.assertEqual(raised.exception.code, "model_not_found")
        self.assertEqual(raised.exception.param, "model")

    def test_a_wrong_field(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.chat.completions.create(model=MODEL, messages=EGYPT, temperature=9)
        self.assertEqual(raised.exception.param, "temperature")
        self.assertEqual(raised.exception.type, "invalid_request_error")

    def test_a_prompt_that_does_not_fit(self):
        with self.assertRaises(openai.BadRequestError) as raised:
            self.client.chat.completions.create(model=MODEL, messages=EGYPT, max_tokens=10**6)
        self.assertEqual(raised.exception.code, "context_length_exceeded")

    def test_an_unknown_former_response(self):
        with self.assertRaises(openai.NotFoundError) as raised:
            self.client.responses.create(model=MODEL, input="x", previous_response_id="resp_none")
        self.assertEqual(raised.exception.code, "previous_response_not_found")


if __name__ == "__main__":
    unittest.main()
