"""Words that give away what kind of event a sentence tells of, and who is said to have done it."""

from __future__ import annotations

import re
from dataclasses import dataclass


def _words(*alternatives: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    """One pattern for any of the alternatives."""
    return re.compile("|".join(alternatives), flags)


def _whole(*words: str) -> str:
    """Any of the words, standing alone."""
    return rf"\b(?:{'|'.join(words)})\b"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A kind of event and the words that tell of it.

    name tells apart triggers of one kind. title: how the record is called, with {who} (government or firm), {what} (the
    thing), {firms}, {whom}, {hit} (the words found) or {tail} (the clause); rest: the same where the thing has no name.
    needs: words the sentence must hold as well. role and sign: what the firms the sentence names are to the event.
    official: a government must be named.
    """

    name: str
    kind: str
    pattern: re.Pattern[str]
    title: str
    needs: re.Pattern[str] | None = None
    role: str = ""
    sign: int = 0
    official: bool = False
    scheduled: bool = False
    anticipated: str = "no"
    rest: str = ""


_ACTS = _words(
    r"\b(?:issu|impos|announc|order|sign|block|bann?|lift|revok|suspend|tighten|eas|expand|add|publish|unveil)\w*",
    r"\b(?:adopt|approv|restrict(?:ed|ing|s\b)|remov|extend|enact|proclaim)\w*",
    "发布|宣布|实施|签署|出台|列入|加征|取消|解除|禁止|下达",
)
_DELAY = "(?:delay|postpone|hold (?:off|back)|limit|halt|pause|suspend|stop)"

# In order of precedence: words taken by one are not read again by the next.
TRIGGERS: tuple[Trigger, ...] = (
    Trigger(
        "lockup", "lockup_expiration",
        _words(
            r"\block-?ups?\b(?: (?:period|expir\w*|release|agreement))*", r"\bunlock(?:ing)? of [\w ]*shares",
            "解禁|限售股|禁售期",
        ),
        "Lock-up of {firms} ends", role="target", sign=-1, scheduled=True, anticipated="yes",
    ),
    Trigger(
        "delay", "executive_action",
        _words(
            rf"\b(?:ask|request|urg|order|press|direct)(?:s|ed|ing)? (?P<whom>[^,;.]{{2,60}}?) to {_DELAY}\b",
            rf"\b(?:told|tell(?:s|ing)?) (?P<whom2>[^,;.]{{2,60}}?) to {_DELAY}\b",
            "要求(?P<whom3>[^，。；]{1,20}?)(?:推迟|延迟|暂缓|暂停|限制)",
        ),
        "{who} asks {whom} to delay {what}", official=True, rest="{who}: {hit}",
    ),
    Trigger(
        "entity_list", "entity_listing",
        _words(r"\bentity list\b|\b1260H\b|\bmilitary[- ]compan(?:y|ies)\b|\bblacklist\w*", "实体清单|黑名单|军事企业清单"),
        "{who} lists {firms}", needs=_ACTS, role="target", sign=-1,
    ),
    Trigger(
        "export_control", "export_control",
        _words(
            r"\bexport[- ](?:control|ban|restriction|curb|licen[cs]e|licensing|order|rule)\w*",
            r"\bblock(?:s|ed|ing)? (?:\w+ ){0,3}?foreign access", r"\blicen[cs]e requirements?\b", "出口(?:管制|限制|禁令|许可)",
        ),
        "{who} export-control order on {what}", needs=_ACTS, rest="{who}: {tail}",
    ),
    Trigger(
        "executive_order", "executive_action",
        _words(r"\bexecutive orders?\b", r"\bpresidential (?:memorand\w+|proclamation)\b", "行政令|行政命令|总统备忘录"),
        "{who} executive order {tail}", needs=_ACTS,
    ),
    Trigger("tariff", "tariff", _words(r"\btariffs?\b", "关税"), "{who} tariffs {tail}", needs=_ACTS, official=True),
    Trigger(
        "counter", "counter_measure",
        _words(
            r"\bantitrust (?:probe|investigation)", r"\bcounter-?measures?\b", r"\bretaliat\w+", r"\bsummon(?:s|ed)\b",
            "约谈|反制|反垄断调查|反倾销调查",
        ),
        "{who} answers: {tail}", official=True,
    ),
    Trigger(
        "index", "index_inclusion",
        _words(
            r"\b(?:add(?:s|ed|ing)?|includ(?:es?|ed)|inclusion|join(?:s|ed)?|enter(?:s|ed)?)\b"
            r"[^.;]{0,60}?\b(?:index|Stock Connect)\b",
            "(?:纳入|调入)[^。；]{0,20}(?:指数|港股通)",
        ),
        "{firms}: index membership", role="target", sign=1, scheduled=True, anticipated="partly",
    ),
    Trigger(
        "offering", "equity_offering",
        _words(
            r"\b(?:plac(?:ing|ement)s? of|place[sd]?|s(?:e|o)l(?:l|d)s?|selling|rais(?:es?|ed|ing)|issu(?:es?|ed|ing))\b"
            r"[^.;]{0,50}?\b(?:new |H[- ])?shares\b",
            r"\brights issue\b|\bconvertible (?:bond|note)s?\b|\bshare (?:placing|placement|offering)\b", "配售|配股|增发|可转债",
        ),
        "{firms}: share offering", role="target", sign=-1,
    ),
    Trigger(
        "ipo", "ipo",
        _words(
            r"\binitial public offering\b|\bIPO\b", r"\b(?:trading|market|stock) debut\b",
            r"\b(?:began|begins|start(?:s|ed)) trading\b",
            "挂牌上市|上市首日",
        ),
        "{firms}: first day of trading", role="target",
    ),
    Trigger(
        "analyst", "analyst_action",
        _words(
            r"\bprice targets?\b|\btarget price\b", r"\b(?:initiat|start|resum)(?:es|ed|ing)? coverage\b",
            r"\b(?:up|down)grad(?:es|ed|ing)\b", "目标价", "(?:上调|下调|首予)[^。；]{0,12}评级",
        ),
        "Broker on {firms}", role="target",
    ),
    Trigger(
        "earnings", "earnings",
        _words(
            r"\b(?:quarterly|first-half|full-year|annual|interim) (?:results?|profits?|loss(?:es)?|earnings|revenues?)\b",
            r"\bprofit warning\b", r"\b(?:reported|posts?|posted) (?:a )?(?:net )?(?:profit|loss|earnings|revenue)",
            "盈利预警|业绩预告|(?:季度|半年|全年|中期)业绩",
        ),
        "{firms}: results", role="target", scheduled=True, anticipated="partly",
    ),
    Trigger(
        "litigation", "litigation",
        _words(
            r"\blawsuits?\b", r"\b(?:su(?:es|ed)|indict(?:s|ed|ment))\b", r"\b(?:court|judge) (?:rul|block|order|halt)\w+",
            "起诉|判决|裁定",
        ),
        "Court: {tail}", role="target",
    ),
    Trigger(
        "release", "model_release",
        _words(
            r"(?<!data )(?<!report )(?<!figures )(?<!study )(?<!statement )(?<!letter )"
            r"\b(?:(?:releas|unveil|introduc)(?:es?|s|ed|ing)|(?:launch|publish|debut)(?:es|ed|ing|s)?|open[- ]sourc(?:es|ed|ing)"
            r"|roll(?:s|ed|ing)? out|(?:release|launch) of)\b"
            r"(?:[^,;.]{0,40}?\b(?:models?|weights|version)\b|,? ?(?:its |the )?(?:latest |new )?[\"“]?(?-i:[A-Z])\w*[- ]\d)",
            r"\bmade (?:open[- ]source )?[^,;.]{0,20}?(?:latest |new )?(?:AI )?model\b(?= it|,| open)",
            "(?:发布|推出|开源|上线)[^，。；]{0,20}?(?:模型|版本|(?-i:[A-Z])[A-Za-z]*[- ]?\\d)",
        ),
        "{who} releases {what}", role="target", rest="{who} releases a model",
    ),
    Trigger(
        "standard", "regulation",
        _words(
            r"\b(?:releas|issu|publish|adopt|approv|finali[sz]|propos)\w*\b"
            r"[^,;.]{0,90}?\b(?:standards?|rules?|regulations?|guidelines|measures)\b",
            "(?:发布|出台|公布|印发)[^，。；]{0,30}?(?:标准|条例|办法|规定|指南)",
        ),
        "{who}: {hit}", official=True,
    ),
    Trigger(
        "subsidy", "industrial_policy",
        _words(r"\bsubsid(?:y|ies|ise[sd]?|ize[sd]?)\b|\bstate(?:-backed)? fund\b", "大基金|补贴"),
        "{who} support: {tail}", official=True,
    ),
    Trigger(
        "macro", "macro",
        _words(
            r"\b(?:rate (?:cut|hike)|cuts? interest rates|payrolls|consumer prices|inflation data|ceasefire)\b",
            "降息|加息|降准|非农",
        ),
        "{tail}",
    ),
    Trigger(
        "statement", "government_statement",
        _words(
            r"\b(?:letter|memo) (?:to|from)\b", r"\b(?:secretary|minister|spokes\w+|official) (?:said|says|told)\b",
            "发言人(?:表示|称)",
        ),
        "{who} statement: {tail}", official=True,
    ),
    Trigger(
        "company", "corporate_announcement",
        _words(
            r"\b(?:early |advanced )?talks (?:with|to)\b", r"\b(?:share )?buybacks?\b|\bacquisition of\b|\bpartnership with\b",
            r"\b(?:agree[sd]?|plans?|announce[sd]?) (?:to|a) (?:acqui\w+|buy ?back|buyback|partner\w*|merge\w*)",
            "收购|回购|战略合作",
        ),
        "{tail}",
    ),
)  # fmt: skip

# Who governs: jurisdiction, zone of its day, what a title calls it, its names.
OFFICIALS: tuple[tuple[str, str, str, re.Pattern[str]], ...] = (
    (
        "US", "America/New_York", "US",
        _words(
            r"\bWhite House\b|\bTrump\b|\bWashington\b|\bPentagon\b|\bBIS\b",
            r"\b(?:US|U\.S\.|American) (?:government|administration|Commerce|Congress|Treasury|president|regulators?|officials?)",
            r"\bCommerce Department\b|\bDepartment of Commerce\b|\bBureau of Industry and Security\b",
            "美国政府|白宫|特朗普|美国商务部|美国总统", flags=0,
        ),
    ),
    (
        "CN", "Asia/Shanghai", "China",
        _words(
            r"\bBeijing\b(?!-based)|\bMOFCOM\b|\bMIIT\b|\bState Council\b|\bCyberspace Administration\b",
            r"\bChina['’]s (?:Ministry|government|cabinet|State Council|regulators?|cyberspace)",
            r"\bChinese (?:government|authorities|regulators?)",
            r"\bChina (?:[Rr]eleases|[Ii]ssues|[Bb]ans|[Rr]estricts|[Ss]ummons|[Aa]pproves)\b",
            "工信部|中国商务部|商务部|国家网信办|国务院|市场监管总局|发改委", flags=0,
        ),
    ),
    ("EU", "Europe/Brussels", "EU", _words(r"\bEuropean (?:Commission|Union|Parliament)\b|\bBrussels\b|欧盟", flags=0)),
    ("NL", "Europe/Amsterdam", "Dutch", _words(r"\bDutch government\b|\bThe Hague\b|荷兰政府", flags=0)),
    ("JP", "Asia/Tokyo", "Japan", _words(r"\bJapan['’]s (?:government|ministry)\b|\bJapanese government\b|日本政府", flags=0)),
    ("KR", "Asia/Seoul", "Korea", _words(r"\bKorea['’]s (?:government|ministry)\b|\bKorean government\b|韩国政府", flags=0)),
    ("UK", "Europe/London", "UK", _words(r"\b(?:UK|British) government\b|英国政府", flags=0)),
    ("HK", "Asia/Hong_Kong", "Hong Kong", _words(r"\bHKEX\b|\bSecurities and Futures Commission\b|港交所|香港证监会", flags=0)),
)  # fmt: skip

# Firms without a share of their own that the news write about.
UNLISTED = _words(
    _whole("OpenAI", "Anthropic", "DeepSeek", "Moonshot(?: AI)?", "ByteDance", "xAI", "Mistral(?: AI)?", "Huawei", "Cohere"),
    _whole("Perplexity", "StepFun", "Baichuan", r"01\.AI", "Unitree", "YMTC", "CXMT", "SMEE"),
    "深度求索|月之暗面|字节跳动|华为|长江存储|长鑫存储", flags=0,
)  # fmt: skip
_VERSION = r"\d{1,2}(?:\.\d{1,2}){0,2}"
PRODUCT = _words(
    rf"(?<![A-Za-z0-9.])(?:[A-Z][A-Za-z]{{2,}} [A-Z]{_VERSION}|(?:[A-Z][A-Za-z]{{0,14}})[- ]?{_VERSION})"
    r"(?:[- ](?:Flash|Pro|Max|Mini|Turbo|Plus|Lite|Air))?(?![\d%％]|[.,]\d| ?percent|月|日|年|亿|万)", flags=0,
)  # fmt: skip
NOT_PRODUCTS = _words(
    r"^(?:January|February|March|April|May|June|July|August|September|October|November|December)\b",
    r"^(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b",
    r"^(?:Section|Article|Rule|Order|Page|Q[1-4]|H[12]|FY|CFR|Top|No|About|At|On|In|UTC|GMT|Nasdaq|HK|US|G\d)\b", flags=0,
)  # fmt: skip

# Words that speak of a firm, or of an act, of the sentence before.
BACK_TO_FIRM = _words(_whole("its", "the company", "the firm", "the group", "their"), "其|该公司|公司|该股")
BACK_TO_OFFICIAL = _words(_whole("it", "they", "the government", "the administration", "officials"), "其|政府")
BACK_TO_ACT = _words(
    r"\bthe (?:order|directive|rules?|decision|curbs|controls|ban|letter|notice|announcement)\b", "该命令|该决定|上述"
)

# Words before a trigger that make it a thought and not an event.
SUPPOSED = _words(
    _whole("if", "could", "can", "may", "might", "would", "whether", "should", "unless", "denie[sd]", "no plans", "yet to"),
    _whole("did not", "fears?", "calls? for"), "如果|若|可能|或将|是否|否认",
)  # fmt: skip
BEFORE_THAT = _words(
    _whole("had (?:previously|already|earlier|also)", "previously", "earlier this year", "last year", "years? ago"),
    "此前|早前|去年",
)  # fmt: skip
BENEFIT = _words(r"\bbenefit(?:s|ed|ing)? from\b", r"\bbeneficiar(?:y|ies) of\b", "受益于")

# ------------------------------------------------------------------------------------------------ moves of shares

PERCENT = _words(r"(?P<n>\d{1,3}(?:\.\d+)?)\s?(?:%|％|percent\b|per cent\b)")
UP = _words(
    r"\b(?:surg|soar|jump|ris|rose|gain|climb|rall|advanc|spik|leap|leapt|skyrocket|add(?:ed|ing)|up\b|higher)\w*",
    "上涨|大涨|暴涨|飙升|涨幅|收涨|涨|走高|拉升",
)
DOWN = _words(
    r"\b(?:fell|fall|drop|plung|tumbl|slump|slid|slip|sank|sink|declin|los[te]|los(?:es|ing)|crash|plummet|down\b|lower|shed)\w*",
    "下跌|大跌|暴跌|跳水|跌幅|收跌|跌|走低|重挫",
)
SHARE_WORDS = _words(
    _whole("shares?", "stocks?", "intraday", "closed", "closing", "market (?:value|cap)", "trading"),
    "股价|股份|盘中|收盘|收涨|收跌|早盘|午盘|港股|涨停|跌停",
)
NOT_PRICES = _words(
    _whole("revenues?", "sales", "profits?", "earnings", "income", "downloads?", "users?", "share of", "market share"),
    _whole("shipments?", "margins?", "developers", "capacity", "costs?"), "营收|净利|收入|利润|销量|用户|份额|占比",
)  # fmt: skip
CLOSE_WORDS = _words(
    _whole("clos(?:e[ds]?|ing)", "end(?:ed|ing)", "finish(?:ed|ing)", "settled"), "收盘|收涨|收跌|收报"
)
INTRADAY_WORDS = _words(
    _whole("intraday", "at one point", "as much as", "as high as", r"peak\w*", "at its high", "session high"),
    "盘中|一度|最高",
)
