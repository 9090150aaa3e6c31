// The template language, feature by feature. What each template gives is what Jinja 3.1 gives in
// the environment of transformers.
#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "tests/coordinator/text/template_testing.h"

namespace switchyard::text {
namespace {

struct Case {
  std::string_view source;
  std::string_view output;
};

void ExpectAll(const std::vector<Case>& cases) {
  for (const Case& c : cases) EXPECT_EQ(RenderOrError(c.source), c.output) << c.source;
}

TEST(JinjaLanguage, TagsTakeTheirWhiteSpaceAsTransformersSetsItUp) {
  ExpectAll({
      {"a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc"},
      {"a  {%- if true -%}  b  {%- endif -%}  c", "abc"},
      {"{{ 'x' }}\n{{ 'y' }}\n", "x\ny"},
      {"  {{ 1 }}  {{- 2 -}}  {{ 3 }}", "  123"},
      {"a {#- note -#} b", "ab"},
      {"a\n  {# note #}\nb", "a\nb"},
      {"x\n  {%+ if true +%}\ny{% endif %}", "x\n  \ny"},
      {"{% raw %}{{ not }} {% a tag %}{% endraw %}!", "{{ not }} {% a tag %}!"},
      {"a {%- raw -%}  {{ x }} {%- endraw -%} b", "a{{ x }}b"},
      {"{% if true %}\n\nkept\n{% endif %}\n\n", "\nkept\n"},
      {"a\r\nb\rc", "a\nb\nc"},
      {"{{ '}}' }}{{ {'a': {'b': 1}} }}", "}}{'a': {'b': 1}}"},
      {"\t{% set x = 1 %}\t\n|{{ x }}", "\t\n|1"},
      {"a{% if true %} \nb{% endif %}", "a \nb"},
      {"{#+ a +#}\nb", "\nb"},
      {"1{{+2}}{{-3}}", "123"},
  });
}

TEST(JinjaLanguage, ConditionsChooseOneBranch) {
  ExpectAll({
      {"{% if 0 %}a{% elif '' %}b{% elif [] %}c{% else %}d{% endif %}", "d"},
      {"{% if x %}a{% endif %}b", "b"},
      {"{% if x is defined and x.y %}a{% else %}b{% endif %}", "b"},
      {"{{ 'a' if true }}{{ 'b' if false }}{{ 'c' if false else 'd' }}", "ad"},
      {"{{ 1 if 0 else 2 if 0 else 3 }}", "3"},
  });
}

TEST(JinjaLanguage, LoopsTellWhereTheyAre) {
  ExpectAll({
      {"{% for x in 'abc' %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 "
       "}}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ x }};{% endfor %}",
       "1032TrueFalse3a;2121FalseFalse3b;3210FalseTrue3c;"},
      {"{% for x in [1,2,3] %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {% endfor %}",
       "<1>2 1<2>3 2<3> "},
      {"{% for x in range(5) %}{{ loop.cycle('a','b') }}{% endfor %}", "ababa"},
      {"{% for x in [1,2] %}{% for y in [1] %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}{% "
       "endfor %}",
       "1010"},
      {"{% for x in [1,2,3,4] if x % 2 == 0 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor "
       "%}",
       "1:2/2 2:4/2 "},
      {"{% for x in [] %}a{% else %}none{% endfor %}", "none"},
      {"{% for x in nothing %}a{% else %}none{% endfor %}", "none"},
      {"{% for k, v in {'a':1,'b':2}.items() %}{{ k }}={{ v }},{% endfor %}", "a=1,b=2,"},
      {"{% for a, (b, c) in [(1,(2,3))] %}{{ a+b+c }}{% endfor %}", "6"},
      {"{% for x in range(10) %}{% if x == 2 %}{% continue %}{% endif %}{% if x == 5 %}{% break "
       "%}{% endif %}{{ x }}{% endfor %}",
       "0134"},
      {"{% for x in {'b':1,'a':2} %}{{ x }}{% endfor %}", "ba"},
      {"{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}", "231"},
      {"{% for x in 1,2,3 %}{{ x }}{% endfor %}", "123"},
      {"{% for x in [3,1,2]|sort if x > 1 %}{{ x }}{% endfor %}", "23"},
      {"{% for x in [1,2] %}{{ loop['index'] }}{% endfor %}", "12"},
  });
}

TEST(JinjaLanguage, AssignmentsAndScopes) {
  ExpectAll({
      {"{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"},
      {"{% set ns = namespace(n=0, s='x') %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% "
       "endfor %}{{ ns.n }}{{ ns.s }}",
       "6x"},
      {"{% set x %}a{{ 1 }}b{% endset %}{{ x|upper }}", "A1B"},
      {"{% set x | upper | trim %} hi {% endset %}[{{ x }}]", "[HI]"},
      {"{% if true %}{% set x = 5 %}{% endif %}{{ x }}", "5"},
      {"{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}", "3"},
      {"{% set x = 1, %}{{ x }}", "(1,)"},
      {"{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns.c is defined }}",
       "12False"},
      {"{% filter upper %}a{{ 'b' }}{% endfilter %}", "AB"},
      {"{% set x = 'a' %}{% set x = x ~ x %}{{ x }}", "aa"},
  });
}

TEST(JinjaLanguage, MacrosAndCallBlocks) {
  ExpectAll({
      {"{% macro m(a, b='B', c=a) %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ m(1) }}{{ m(1, c=3) "
       "}}{{ m(b=2, a=1) }}",
       "1B1;1B3;121;"},
      {"{% macro m(x) %}{{ x is defined }}{{ x }}{% endmacro %}{{ m() }}", "False"},
      {"{% macro box() %}<{{ caller() }}>{% endmacro %}{% call box() %}in{% endcall %}", "<in>"},
      {"{% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(v) "
       "each([1,2]) %}[{{ v }}]{% endcall %}",
       "[1][2]"},
      {"{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
       "3210"},
      {"{% macro m() -%}\n  x\n{%- endmacro %}{{ m() | upper }}", "X"},
      {"{% set y = 1 %}{% macro m() %}{{ y }}{% endmacro %}{% set y = 2 %}{{ m() }}", "2"},
      {"{% macro m(a) %}{% if caller is defined %}c{% endif %}{{ a }}{% endmacro %}{{ m(1) }}",
       "1"},
      {"{% macro m() %}x{% endmacro %}{{ m is callable }}{{ 1 is callable }}", "TrueFalse"},
  });
}

TEST(JinjaLanguage, OperatorsHavePythonsMeaning) {
  ExpectAll({
      {"{{ 1 + 2 * 3 - 4 / 2 }}", "5.0"},
      {"{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }}", "3 -4 1 2 -2"},
      {"{{ 7.5 // 2 }} {{ -7.5 % 2 }}", "3.0 0.5"},
      {"{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }}", "1024 0.5 64 4"},
      {"{{ 1 ~ 'a' ~ none ~ true ~ 1.0 }}", "1aNoneTrue1.0"},
      {"{{ 'a' + 'b' * 3 }}", "abbb"},
      {"{{ [1] + [2] * 2 }}", "[1, 2, 2]"},
      {"{{ (1,) + (2,) }}", "(1, 2)"},
      {"{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }}",
       "True False True True False"},
      {"{{ 'a' in 'cat' }} {{ 'x' not in ['x'] }} {{ 'k' in {'k':1} }} {{ 1 in (1,2) }}",
       "True False True True"},
      {"{{ not true or true }} {{ not (true or true) }}", "True False"},
      {"{{ 0 or 'x' }} {{ '' and 'y' }} {{ 1 and 2 }}", "x  2"},
      {"{{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ (1,2) == (1,2) }} {{ [1] == (1,) }}",
       "True True True False"},
      {"{{ 1 - -1 }} {{ +3 }} {{ -(2) }}", "2 3 -2"},
      {"{{ 1 ~ 2 * 3 }}", "16"},
      {"{{ 10 / 4 }} {{ 4 / 2 }}", "2.5 2.0"},
      {"{{ {'a':1,'b':2} == {'b':2,'a':1} }}", "True"},
      {"{{ -1|abs }} {{ 1 + -1|abs }}", "1 2"},
      {"{{ not x is defined }}", "True"},
      {R"({{ 'a' 'b' "c" }})", "abc"},
      {"{{ 0x1f + 0b11 + 0o17 + 1_000 }}", "1049"},
      {"{{ 1.5e3 }} {{ 2.0 }} {{ 1e-7 }} {{ 1e16 }} {{ 1e15 }} {{ 0.1 + 0.2 }}",
       "1500.0 2.0 1e-07 1e+16 1000000000000000.0 0.30000000000000004"},
      {"{{ 'x' if 1 == 1 and 2 != 3 else 'y' }}", "x"},
      {"{{ 5 is not none and 5 > 3 }}", "True"},
      {"{{ true + 1 }}", "2"},
  });
}

TEST(JinjaLanguage, PartsOfValues) {
  ExpectAll({
      {"{{ 'héllo'[1] }}{{ 'héllo'[-1] }}{{ 'héllo'[1:3] }}{{ 'héllo'[::-1] }}", "éoélolléh"},
      {"{{ [1,2,3,4,5][1:] }}{{ [1,2,3,4,5][:-1] }}{{ [1,2,3,4,5][::2] }}{{ [1,2,3,4,5][4:1:-2] "
       "}}{{ [1,2][5:] }}",
       "[2, 3, 4, 5][1, 2, 3, 4][1, 3, 5][5, 3][]"},
      {"{{ (1,2,3)[1:] }}", "(2, 3)"},
      {"{{ 'abc'[none:2] }}{{ 'abc'[-100:100] }}", "ababc"},
      {"{{ {'a': {'b': [7]}}.a.b[0] }}{{ {'a': 1}['a'] }}{{ {'a':1}.get('x', 'd') }}{{ "
       "{'a':1}.get('x') }}",
       "71dNone"},
      {"{{ {'items': 1}['items'] }}{{ {'a': 1}['items'] is callable }}{{ {'items': 1}.items is "
       "callable }}",
       "1TrueTrue"},
      {"{{ [1,2].0 }}", "1"},
      {"{{ [1][3] is defined }}{{ {}.x is defined }}{{ 'a'.x is defined }}{{ none.x is defined }}",
       "FalseFalseFalseFalse"},
      {"{{ [1][3] }}|{{ {}.x }}|", "||"},
      {"{{ 'abc'[::-2] }}{{ 'abc'[5:1] }}", "ca"},
      {"{{ {1: 'a', true: 'b', none: 'c'}[none] }}", "c"},
  });
}

TEST(JinjaLanguage, ValuesPrintAsPythonPrintsThem) {
  ExpectAll({
      {"{{ none }} {{ true }} {{ false }} {{ 1 }} {{ 1.0 }} {{ -0.0 }} {{ 1e100 }}",
       "None True False 1 1.0 -0.0 1e+100"},
      {"{{ [1, 'a', none, true, 2.5, [], {}, ()] }}", "[1, 'a', None, True, 2.5, [], {}, ()]"},
      {"{{ (1,) }} {{ (1, 2) }} {{ {'a': 'b', 1: [2]} }}", "(1,) (1, 2) {'a': 'b', 1: [2]}"},
      {R"({{ ['it\'s', '"', '\'"', 'a\nb\\', 'é你\u200b\x7f'] }})",
       R"(["it's", '"', '\'"', 'a\nb\\', 'é你\u200b\x7f'])"},
      {R"({{ '\x41\u00e9\U0001F600\101\q\t|' }})", "Aé😀A\\q\t|"},
      {"{{ [x] }}", "[Undefined]"},
      {"{{ 123456789012345678 }} {{ 1e22 }} {{ 0.00001 }} {{ 0.0001 }} {{ 3.14 }}",
       "123456789012345678 1e+22 1e-05 0.0001 3.14"},
  });
}

TEST(JinjaLanguage, StringMethods) {
  ExpectAll({
      {"{{ '  a b '.strip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'xya'.lstrip('xy') }}|{{ "
       "'axy'.rstrip('yx') }}",
       "a b|a|a|a"},
      {"{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ 'a b c'.split(' ', 1) }}{{ ' a b  c "
       "'.split(none, 1) }}{{ ''.split() }}{{ ''.split(',') }}",
       "['a', 'b', '', 'c']['a', 'b']['a', 'b c']['a', 'b  c '][]['']"},
      {"{{ 'a.b.c'.rsplit('.', 1) }}{{ ' a b  c '.rsplit(none, 1) }}{{ 'aaa'.rsplit('aa') }}",
       "['a.b', 'c'][' a b', 'c']['a', '']"},
      {R"({{ 'a\nb\r\nc\n'.splitlines() }})", "['a', 'b', 'c']"},
      {"{{ 'abc'.startswith('ab') }}{{ 'abc'.endswith(('x','c')) }}{{ 'abc'.startswith('') }}",
       "TrueTrueTrue"},
      {R"({{ 'aXbé'.upper() }}{{ 'AÉ'.lower() }}{{ "they're bill's".title() }}{{ 'hELLO wORLD'.capitalize() }})",
       "AXBÉaéThey'Re Bill'SHello world"},
      {"{{ 'aaa'.replace('a','b',2) }}{{ 'abc'.replace('','-') }}{{ 'abc'.replace('b','') }}{{ "
       "'ab'.replace('', '-', 2) }}",
       "bba-a-b-c-ac-a-b"},
      {"{{ '-'.join(['a','b']) }}{{ 'héé'.find('é') }}{{ 'a'.find('z') }}{{ 'abab'.rfind('b') }}{{ "
       "'aaaa'.count('aa') }}{{ 'ab'.count('') }}",
       "a-b1-1323"},
      {R"({{ '12'.isdigit() }}{{ '1a'.isdigit() }}{{ ''.isdigit() }})"
       R"({{ 'aé'.isalpha() }}{{ 'a1'.isalnum() }}{{ ' \n'.isspace() }}{{ 'AB1'.isupper() }}{{ 'ab'.islower() }})",
       "TrueFalseFalseTrueTrueTrueTrueTrue"},
      {"{{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=') }}{{ 'a'.partition('=') }}",
       "('a', '=', 'b=c')('a=b', '=', 'c')('a', '', '')"},
      {"{{ 'prefix-x'.removeprefix('prefix-') }}{{ 'x.y'.removesuffix('.y') }}", "xx"},
      {"{{ '{} {}'.format(1, 'a') }}{{ '{x}{0}{{}}'.format(1, x=2) }}", "1 a21{}"},
      {"{{ '%s is %d%% %5.2f|%-4s|%04d|%x|%r' % ('a', 5, 2.5, 'b', 7, 255, 'q') }}{{ '%s' % 'x' "
       "}}{{ '%(a)s' % {'a': 1} }}",
       "a is 5%  2.50|b   |0007|ff|'q'x1"},
      {"{{ 'abc'.index('c') }}", "2"},
  });
}

TEST(JinjaLanguage, DictAndListMethods) {
  ExpectAll({
      {"{{ {'a':1,'b':2}.keys()|list }}{{ {'a':1,'b':2}.values()|list }}{{ {'a':1}.items()|list }}",
       "['a', 'b'][1, 2][('a', 1)]"},
      {"{{ [1,2,1].count(1) }}{{ [1,2].index(2) }}", "21"},
  });
}

TEST(JinjaLanguage, TextFilters) {
  ExpectAll({
      {"{{ '  a '|trim }}|{{ 'xax'|trim('x') }}|{{ 5|trim }}|{{ nope|trim }}", "a|a|5|"},
      {R"({{ 'aB'|upper }}{{ 'aB'|lower }}{{ 'hELLO wORLD'|capitalize }}{{ "foo bar-baz (qux) they're"|title }})",
       "ABabHello worldFoo Bar-Baz (Qux) They're"},
      {"{{ 'aab'|replace('a','x') }}{{ 'aab'|replace('a','x',1) }}{{ 112|replace('1','x') }}",
       "xxbxabxx2"},
      {R"({{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|)"
       R"({{ 'a\n\nb'|indent(2, blank=true) }}|{{ 'a\nb\n'|indent('> ') }})",
       "a\n    b\n\n    c|  a\n  b|a\n  \n  b|a\n> b\n"},
      {R"({{ '<a href="x">&\''|e }}{{ '<b>'|safe }})", "&lt;a href=&#34;x&#34;&gt;&amp;&#39;<b>"},
      {"{{ '%s-%s'|format('a', 1) }}{{ '%(x)s'|format(x=2) }}", "a-12"},
      {"{{ '3'|int }}{{ '3.7'|int }}{{ 'x'|int }}{{ 'x'|int(9) }}{{ '0x1f'|int(base=16) }}{{ "
       "3.9|int }}{{ none|int }}{{ -3.9|int }}",
       "33093130-3"},
      {"{{ '2.5'|float }}{{ 'x'|float }}{{ 3|float }}{{ 'x'|float(1.5) }}", "2.50.03.01.5"},
      {"{{ 2.5|round }}{{ 2.345|round(2) }}{{ 2.1|round(0,'ceil') }}{{ 2.9|round(0,'floor') }}{{ "
       "25|round(-1) }}{{ 3.5|round }}",
       "2.02.353.02.0204.0"},
      {"{{ x|default('d') }}{{ ''|default('d') }}{{ ''|default('d', true) }}{{ x|d }}{{ "
       "none|d('n') }}{{ x.y|default(1) if false else 2 }}",
       "ddNone2"},
      {"{{ 5|string + 'a' }}{{ [1]|string }}", "5a[1]"},
      {"{{ 'a b  c'|wordcount }}", "3"},
  });
}

TEST(JinjaLanguage, SequenceFilters) {
  ExpectAll({
      {"{{ [1,2,3]|length }}{{ 'héé'|length }}{{ {'a':1}|count }}{{ nope|length }}", "3310"},
      {"{{ [1,2]|first }}{{ [1,2]|last }}{{ 'ab'|first }}{{ 'ab'|last }}{{ []|first }}|", "12ab|"},
      {"{{ 'abc'|list }}{{ {'a':1}|list }}", "['a', 'b', 'c']['a']"},
      {"{{ [1,'a',none]|join(', ') }}{{ 'abc'|join('-') }}{{ [{'n':'x'},{'n':'y'}]|join(',', "
       "attribute='n') }}",
       "1, a, Nonea-b-cx,y"},
      {"{{ [{'a':1},{'a':2}]|map(attribute='a')|list }}{{ [{'a':{'b':1}},{}]|map(attribute='a.b', "
       "default='z')|list if false else 1 }}{{ ['a','b']|map('upper')|list }}{{ "
       "['aa']|map('replace','a','b')|list }}{{ [{}]|map(attribute='q', default=0)|list }}",
       "[1, 2]1['A', 'B']['bb'][0]"},
      {"{{ [0,1,2]|select|list }}{{ [1,2,3]|select('odd')|list }}{{ [1,2,3]|reject('equalto', "
       "2)|list }}{{ [1,2,3]|select('gt', 1)|list }}",
       "[1, 2][1, 3][1, 3][2, 3]"},
      {"{{ [{'r':'u','c':1},{'r':'a','c':2}]|selectattr('r','equalto','u')|map(attribute='c')|list "
       "}}{{ [{'r':1},{'r':0}]|rejectattr('r')|list }}{{ "
       "[{'r':'x'},{}]|selectattr('r','defined')|list|length }}{{ "
       "[{'r':'x'}]|selectattr('r','in',['x','y'])|list|length }}",
       "[1][{'r': 0}]11"},
      {"{{ [3,1,2]|sort }}{{ ['b','A','c']|sort }}{{ ['b','A']|sort(case_sensitive=true) }}{{ "
       "[1,3,2]|sort(reverse=true) }}{{ [{'n':2},{'n':1}]|sort(attribute='n') }}",
       "[1, 2, 3]['A', 'b', 'c']['A', 'b'][3, 2, 1][{'n': 1}, {'n': 2}]"},
      {"{{ [1,2,1,'a','A']|unique|list if false else ['b','a','B']|unique|list }}", "['b', 'a']"},
      {"{{ [1,2,3]|reverse|list }}{{ 'héy'|reverse }}", "[3, 2, 1]yéh"},
      {"{{ {'b':1,'A':2}|dictsort }}{{ {'b':1,'a':2}|dictsort(by='value') }}{{ {'b':1}|items|list "
       "}}",
       "[('A', 2), ('b', 1)][('b', 1), ('a', 2)][('b', 1)]"},
      {"{{ [3,1,2]|min }}{{ [3,1,2]|max }}{{ [1,2,3]|sum }}{{ [{'a':1},{'a':2}]|sum(attribute='a') "
       "}}{{ ['b','A']|min }}",
       "1363A"},
      {"{% for k, xs in [{'t':'b','v':1},{'t':'a','v':2},{'t':'b','v':3}]|groupby('t') %}{{ k }}{{ "
       "xs|map(attribute='v')|list }}{% endfor %}",
       "a[2]b[1, 3]"},
      {"{{ [1,2,3,4,5]|batch(2)|list }}{{ [1,2,3]|batch(2, 0)|list }}",
       "[[1, 2], [3, 4], [5]][[1, 2], [3, 0]]"},
  });
}

TEST(JinjaLanguage, Tests) {
  ExpectAll({
      {"{{ x is defined }}{{ x is undefined }}{{ none is none }}{{ none is defined }}",
       "FalseTrueTrueTrue"},
      {"{{ 'a' is string }}{{ 1 is number }}{{ true is number }}{{ 1 is integer }}{{ true is "
       "integer }}{{ 1.0 is float }}{{ true is boolean }}{{ 1 is boolean }}{{ true is true }}{{ 1 "
       "is true }}{{ false is false }}",
       "TrueTrueTrueTrueFalseTrueTrueFalseTrueFalseTrue"},
      {"{{ {} is mapping }}{{ [] is mapping }}{{ [] is sequence }}{{ 'a' is sequence }}{{ {} is "
       "sequence }}{{ 1 is sequence }}{{ [] is iterable }}{{ 'a' is iterable }}{{ none is iterable "
       "}}{{ x is iterable }}",
       "TrueFalseTrueTrueTrueFalseTrueTrueFalseTrue"},
      {"{{ 3 is odd }}{{ 3 is even }}{{ 6 is divisibleby 3 }}{{ 6 is divisibleby(4) }}",
       "TrueFalseTrueFalse"},
      {"{{ 1 is eq 1 }}{{ 1 is equalto 2 }}{{ 1 is ne 2 }}{{ 1 is lt 2 }}{{ 2 is ge(2) }}{{ 'a' is "
       "in ['a'] }}{{ 1 is not in [1] }}",
       "TrueFalseTrueTrueTrueTrueFalse"},
      {"{{ 'ab' is lower }}{{ 'AB' is upper }}{{ 'Ab' is upper }}", "TrueTrueFalse"},
      {"{{ none is sameas none }}{{ 1 is not string }}", "TrueTrue"},
      {"{{ 1 is string or 1 is number }}{{ 'x' if x is defined else 'y' }}", "Truey"},
  });
}

TEST(JinjaLanguage, Globals) {
  ExpectAll({
      {"{{ range(3)|list }}{{ range(1,4)|list }}{{ range(5,0,-2)|list }}{{ range(0)|list }}",
       "[0, 1, 2][1, 2, 3][5, 3, 1][]"},
      {"{{ dict(a=1, b='x') }}{{ dict({'k': 1}, z=2) }}", "{'a': 1, 'b': 'x'}{'k': 1, 'z': 2}"},
      {"{% set j = joiner(', ') %}{% for x in [1,2,3] %}{{ j() }}{{ x }}{% endfor %}", "1, 2, 3"},
      {"{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ "
       "c.reset() }}{{ c.current }}",
       "ababNonea"},
  });
}

TEST(JinjaLanguage, TojsonIsThatOfTransformers) {
  ExpectAll({
      {R"({{ {'b': [1, 2.0, none, true, 'é<>&\'"\n\t\\\x01'], 'a': {}} | tojson }})",
       R"({"b": [1, 2.0, null, true, "é<>&'\"\n\t\\\u0001"], "a": {}})"},
      {"{{ {'a': [1, {}], 'b': [], 'c': {'d': 1}} | tojson(indent=2) }}",
       "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": [],\n  \"c\": {\n    \"d\": 1\n  }\n}"},
      {"{{ {'a': [1,2]} | tojson(separators=(',', ':')) }}", R"({"a":[1,2]})"},
      {"{{ 'é😀' | tojson(ensure_ascii=true) }}", R"("\u00e9\ud83d\ude00")"},
      {"{{ {'b':1,'a':2} | tojson(sort_keys=true) }}", R"({"a": 2, "b": 1})"},
      {"{{ {1: 2, none: 3, true: 4} | tojson }}", R"({"1": 4, "null": 3})"},
      {"{{ 'x' | tojson }}{{ none | tojson }}{{ 1e16|tojson }}{{ [] | tojson(indent=4) }}",
       R"("x"null1e+16[])"},
      {R"({{ 'a/b\u2028' | tojson }})", "\"a/b\342\200\250\""},
  });
}

}  // namespace
}  // namespace switchyard::text
