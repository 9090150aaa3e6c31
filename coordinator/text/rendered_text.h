// A rendered prompt that remembers where its text came from: the chat template writes it, the
// tokenizer reads it.
//
// Text that the template itself wrote may spell special tokens ("<|User|>") and they count as such.
// Text that came out of the request's strings (messages, tool schemas, template arguments) never
// does: whatever it looks like, it stays text. The concatenation of all segments is the rendered
// prompt.
#ifndef SWITCHYARD_COORDINATOR_TEXT_RENDERED_TEXT_H_
#define SWITCHYARD_COORDINATOR_TEXT_RENDERED_TEXT_H_

#include <string>
#include <utility>
#include <vector>

namespace switchyard::text {

struct RenderedText {
  struct Segment {
    std::string text;
    bool from_user = false;  // true: text of the request; false: text of the template
  };

  std::vector<Segment> segments;

  // Appends `text`, joining it to the last segment if both have the same origin.
  void Append(std::string text, bool from_user) {
    if (text.empty()) return;
    if (!segments.empty() && segments.back().from_user == from_user) {
      segments.back().text += text;
    } else {
      segments.push_back({std::move(text), from_user});
    }
  }

  size_t num_bytes() const {
    size_t sum = 0;
    for (const Segment& segment : segments) sum += segment.text.size();
    return sum;
  }

  // The rendered prompt.
  std::string Text() const {
    std::string all;
    for (const Segment& segment : segments) all += segment.text;
    return all;
  }
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_RENDERED_TEXT_H_
