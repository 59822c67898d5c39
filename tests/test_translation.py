"""README.zh-TW.md says what README.md says, as far as can be told without reading it, and in the Chinese of Taiwan."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

from tests.conftest import REPOSITORY
from tests.test_readme import README

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

TRANSLATION = (REPOSITORY / "README.zh-TW.md").read_text(encoding="utf-8")
LANGUAGE_LINKS = ("[繁體中文](README.zh-TW.md)", "[English](README.md)")

# What is said by other words in Chinese: a month, and a heading that a link names.
TRANSLATED_NAMES = {"June", "Set"}

# What is not said so in Taiwan, and what is.
TAIWAN = {
    "服務器": "伺服器",
    "配置": "設定",
    "設置": "設定",
    "令牌": "token",
    "終端(?!機)": "終端機",
    "默認": "預設",
    "視頻": "影片",
    "用戶(?!端)": "使用者",
    "客戶端": "用戶端",
    "(?<!說明)文件": "檔案",
    "文檔": "說明文件",
    "信息": "訊息",
    "數據": "資料",
    "網絡": "網路",
    "軟件": "軟體",
    "程序": "程式",
    "進程": "行程",
    "字段": "欄位",
    "數組": "陣列",
    "源代?碼": "原始碼",
    "登錄": "登入",
    "調用": "呼叫",
    "響應": "回應",
    "返回": "回傳",
    "接口": "介面",
    "端口": "連接埠",
    "緩存": "快取",
    "超時": "逾時",
    "插件": "外掛",
    "鏈接": "連結",
    "屏幕": "螢幕",
    "打印": "印出",
    "運行": "執行",
    "創建": "建立",
    "粘貼": "貼上",
    "搜索": "搜尋",
    "證書": "憑證",
    "賬": "帳",
    "支持": "支援",
    "兼容": "相容",
    "本地": "本機",
    "智能": "智慧",
}

HAN = "[\u3400-\u9fff]"
FULL_WIDTH = "[，。：；？！、（）「」…]"
TYPESETTING = {
    rf"{HAN}[A-Za-z0-9`]|[A-Za-z0-9`]{HAN}": "put a blank between Chinese and Latin letters, numbers or code",
    rf"{HAN}[,.:;?!()\"]|[,.:;?!()\"]{HAN}": "use full-width punctuation",
    rf"(?<={HAN}|{FULL_WIDTH}) +(?={HAN})|{FULL_WIDTH} | {FULL_WIDTH}": "leave the blank out",
    rf"({HAN}|{FULL_WIDTH})\n|\n{HAN}": "write a paragraph as one line: a line's end is shown as a blank",
}


class Part(NamedTuple):
    """What stands under a heading, but not in its foldings, or in the folding for one host."""

    level: str
    title: str
    tokens: list[Token]


def parts_of(markdown: str) -> list[Part]:
    parts: list[Part] = []
    heading = part = Part("", "", [])
    for token, following in pairwise(MarkdownIt("commonmark").enable("table").parse(markdown)):
        if token.type == "heading_open":
            heading = part = Part(token.tag, following.content, [])
            parts.append(part)
        elif found := re.search("<summary>(.*)</summary>", token.content):
            part = Part("host", found[1], [])
            parts.append(part)
        elif "</details>" in token.content:
            part = heading
        part.tokens.extend([token, *(token.children or [])])
    return parts


ENGLISH, CHINESE = (
    parts_of(text.replace(link, "")) for text, link in zip((README, TRANSLATION), LANGUAGE_LINKS, strict=True)
)
PAIRS = list(zip(ENGLISH, CHINESE, strict=False))
each_pair = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=[english.title for english, _ in PAIRS])


def outline(parts: list[Part]) -> list[tuple[str, ...]]:
    """The headings' levels, and the hosts by their names, in order."""
    return [(part.level, *(re.findall(r"[A-Z]\w*", part.title) if part.level == "host" else [])) for part in parts]


def facts(part: Part, readme: list[Part]) -> dict[str, Counter[str]]:
    """What a part says that is the same in any language."""
    code_blocks = [token for token in part.tokens if token.type == "fence"]
    return {
        "code blocks": Counter(
            f"no. {n}:\n```{block.info}\n{block.content}```\n" for n, block in enumerate(code_blocks, 1)
        ),
        "words in code type": Counter(f"`{token.content}`" for token in part.tokens if token.type == "code_inline"),
        "numbers": Counter(number for text in texts(part) for number in re.findall(r"\d+(?:[.,]\d+)*", text)),
        "links": Counter(target if target[0] != "#" else place(target, readme) for target in targets(part)),
        "first column": Counter(f"row {n}: {' '.join(words)}" for n, words in enumerate(first_column(part), 1)),
        "emphasis": Counter(token.type for token in part.tokens if token.type in {"em_open", "strong_open"}),
    }


def texts(part: Part) -> Iterator[str]:
    return (token.content for token in part.tokens if token.type == "text")


def targets(part: Part) -> list[str]:
    return [unquote(str(token.attrs.get("href") or token.attrs["src"])) for token in part.tokens if leads(token)]


def leads(token: Token) -> bool:
    return token.type in {"link_open", "image"}


def place(anchor: str, readme: list[Part]) -> str:
    """The heading that a link leads to, by the name it has in English."""
    return f"to {dict(zip(anchors(readme), anchors(ENGLISH), strict=False)).get(anchor, 'nowhere')}"


def anchors(readme: list[Part]) -> list[str]:
    """The anchors that GitHub gives to the headings."""
    titles = [part.title.lower() for part in readme if part.level != "host"]
    return ["#" + re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles]


def first_column(part: Part) -> list[list[str]]:
    """The words in code type, or quoted, at the beginning of each row of the part's tables."""
    starts = [n for n, token in enumerate(part.tokens) if token.type == "tr_open"]
    cells = [part.tokens[start + 2].content for start in starts]
    return [re.findall(r"`[^`]+`|(?<=[\"「])[^\"」]+(?=[\"」])", cell) for cell in cells]


def words(part: Part) -> set[str]:
    return {word for text in texts(part) for word in re.findall(r"[A-Za-z]+(?:\.[A-Za-z]+)?", text)}


def names(part: Part) -> set[str]:
    """The words with a capital that does not begin a sentence."""
    return {word for text in texts(part) for word in re.findall(r"(?:[\w,;→)] |\()([A-Z][\w.]*\b)", text)}


def not_among(some: set[str], others: set[str]) -> list[str]:
    """Those of some words that are not among others, be it in the plural."""
    known = {word.lower().removesuffix("s") for word in others}
    return sorted(word for word in some if word.lower().removesuffix("s") not in known)


def test_both_have_the_same_headings_and_hosts_in_the_same_order() -> None:
    assert outline(CHINESE) == outline(ENGLISH), (
        "README.zh-TW.md should have the headings and hosts of README.md: "
        + " / ".join(f"{part.level} {part.title}" for part in ENGLISH)
    )


@each_pair
def test_both_say_the_same_under_a_heading(english: Part, chinese: Part) -> None:
    expected, said = facts(english, ENGLISH), facts(chinese, CHINESE)
    changes = [
        f"{kind}: {change} {' '.join(differing.elements())}"
        for kind in expected
        for change, differing in (("add", expected[kind] - said[kind]), ("take out", said[kind] - expected[kind]))
        if differing
    ]
    assert not changes, told(english, chinese, changes)


@each_pair
def test_both_name_the_same_products_and_menus(english: Part, chinese: Part) -> None:
    missing = not_among(names(english), words(chinese) | TRANSLATED_NAMES)
    left_over = not_among(words(chinese), words(english))
    changes = [f"name {word}" for word in missing] + [f"the English has no {word}" for word in left_over]

    assert not changes, told(english, chinese, changes)


def told(english: Part, chinese: Part, changes: list[str]) -> str:
    where = f"README.zh-TW.md should say under “{chinese.title}” what README.md says under “{english.title}”"
    return "\n".join([f"{where}:", *changes])


@pytest.mark.parametrize("readme", [ENGLISH, CHINESE], ids=["README.md", "README.zh-TW.md"])
def test_every_link_within_the_repository_leads_somewhere(readme: list[Part]) -> None:
    inside = [target for part in readme for target in targets(part) if not target.startswith("https://")]

    assert inside
    for target in inside:
        assert target in anchors(readme) or (REPOSITORY / target).is_file(), f"{target} is not there"


def test_each_leads_to_the_other_at_its_top() -> None:
    for readme, link in zip((README, TRANSLATION), LANGUAGE_LINKS, strict=True):
        assert f"\n\n{link}\n\n" in readme.split("\n## ")[0]


def test_the_chinese_is_that_of_taiwan() -> None:
    foreign = {f"{found}: say {taiwan}" for word, taiwan in TAIWAN.items() for found in re.findall(word, TRANSLATION)}
    simplified = {character for character in re.findall(HAN, TRANSLATION) if not character.encode("big5", "ignore")}

    assert not foreign
    assert not simplified


@pytest.mark.parametrize("chinese", CHINESE, ids=[part.title for part in CHINESE])
def test_chinese_is_set_with_full_width_punctuation_and_blanks_around_latin(chinese: Part) -> None:
    shown = {"text": lambda text: text, "code_inline": "`{}`".format, "softbreak": "\n{}".format}
    lines = "\t".join(
        "".join(shown[child.type](child.content) for child in token.children or [] if child.type in shown)
        for token in chinese.tokens
        if token.type == "inline"
    )
    for wrong, advice in TYPESETTING.items():
        found = [lines[max(0, match.start() - 10) : match.end() + 10] for match in re.finditer(wrong, lines)]
        assert not found, f"under “{chinese.title}”: {advice}"
