"""Words that give away what kind of event a sentence tells of, and who is said to have done it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_I = re.IGNORECASE


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, _I)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A kind of event and the words that tell of it.

    name tells apart triggers of one kind. needs: words the sentence must hold as well. role and sign: what the firms the
    sentence names are to the event. official: a government must be named. title: how the record is called, with {who}
    (government or firm), {what} (the thing), {firms}.
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


_ACTS = _words(
    r"\b(?:issu|impos|announc|order|sign|block|bann?|lift|revok|suspend|tighten|eas|expand|add|publish|unveil|adopt|approv|"
    r"restrict(?:ed|ing|s\b)|remov|extend|enact|proclaim)\w*|发布|宣布|实施|签署|出台|列入|加征|取消|解除|禁止|下达"
)

# In order of precedence: words taken by one are not read again by the next.
TRIGGERS: tuple[Trigger, ...] = (
    Trigger(
        "lockup", "lockup_expiration",
        _words(r"\block-?ups?\b(?: (?:period|expir\w*|release|agreement))*|\bunlock(?:ing)? of [\w ]*shares|解禁|限售股|禁售期"),
        "Lock-up of {firms} ends", role="target", sign=-1, scheduled=True, anticipated="yes",
    ),
    Trigger(
        "delay", "executive_action",
        _words(
            r"\b(?:ask|request|urg|order|press|direct|tell)(?:s|ed|ing)?\b (?P<whom>[^,;.]{2,60}?) to (?:delay|postpone|hold (?:off|back)"
            r"|limit|halt|pause|suspend|stop)\b|\btold (?P<whom2>[^,;.]{2,60}?) to (?:delay|postpone|limit|halt|pause|suspend)\b"
            r"|要求(?P<whom3>[^，。；]{1,20}?)(?:推迟|延迟|暂缓|暂停|限制)"
        ),
        "{who} asks {whom} to delay {what}", official=True,
    ),
    Trigger(
        "entity_list", "entity_listing",
        _words(r"\bentity list\b|\b1260H\b|\bmilitary[- ]compan(?:y|ies)\b|\bblacklist\w*|实体清单|黑名单|军事企业清单"),
        "{who} lists {firms}", needs=_ACTS, role="target", sign=-1,
    ),
    Trigger(
        "export_control", "export_control",
        _words(
            r"\bexport[- ](?:control|ban|restriction|curb|licen[cs]e|licensing|order|rule)\w*"
            r"|\bblock(?:s|ed|ing)? (?:\w+ ){0,3}?foreign access|\blicen[cs]e requirements?\b|出口(?:管制|限制|禁令|许可)"
        ),
        "{who} export-control order on {what}", needs=_ACTS,
    ),
    Trigger(
        "executive_order", "executive_action",
        _words(r"\bexecutive orders?\b|\bpresidential (?:memorand\w+|proclamation)\b|行政令|行政命令|总统备忘录"),
        "{who} executive order {tail}", needs=_ACTS,
    ),
    Trigger("tariff", "tariff", _words(r"\btariffs?\b|关税"), "{who} tariffs {tail}", needs=_ACTS, official=True),
    Trigger(
        "counter", "counter_measure",
        _words(
            r"\bantitrust (?:probe|investigation)|\bcounter-?measures?\b|\bretaliat\w+|\bsummon(?:s|ed)\b"
            r"|约谈|反制|反垄断调查|反倾销调查"
        ),
        "{who} answers: {tail}", official=True,
    ),
    Trigger(
        "index", "index_inclusion",
        _words(
            r"\b(?:added|adds?|adding|included?|inclusion|join(?:s|ed)?|enter(?:s|ed)?)\b[^.;]{0,60}?\b(?:index|Stock Connect)\b"
            r"|(?:纳入|调入)[^。；]{0,20}(?:指数|港股通)"
        ),
        "{firms}: index membership", role="target", sign=1, scheduled=True, anticipated="partly",
    ),
    Trigger(
        "offering", "equity_offering",
        _words(
            r"\b(?:plac(?:ing|ement)s? of|places?|placed|sell|sold|sells|selling|rais(?:e|es|ed|ing)|issu(?:e|es|ed|ing))\b[^.;]{0,50}?\b(?:new "
            r"|H[- ])?shares\b|\brights issue\b|\bconvertible (?:bond|note)s?\b|\bshare (?:placing|placement|offering)\b"
            r"|配售|配股|增发|可转债"
        ),
        "{firms}: share offering", role="target", sign=-1,
    ),
    Trigger(
        "ipo", "ipo",
        _words(r"\binitial public offering\b|\bIPO\b|\b(?:trading|market|stock) debut\b|\b(?:began|begins|start(?:s|ed)) trading\b|挂牌上市|上市首日"),
        "{firms}: first day of trading", role="target",
    ),
    Trigger(
        "analyst", "analyst_action",
        _words(
            r"\bprice targets?\b|\btarget price\b|\b(?:initiat|start|resum)(?:es|ed|ing)? coverage\b|\b(?:up|down)grad(?:es|ed|ing)\b"
            r"|目标价|(?:上调|下调|首予)[^。；]{0,12}评级"
        ),
        "Broker on {firms}", role="target",
    ),
    Trigger(
        "earnings", "earnings",
        _words(
            r"\b(?:quarterly|first-half|full-year|annual|interim) (?:results?|profits?|loss(?:es)?|earnings|revenues?)\b|\bprofit warning\b"
            r"|\b(?:reported|posts?|posted) (?:a )?(?:net )?(?:profit|loss|earnings|revenue)|盈利预警|业绩预告|(?:季度|半年|全年|中期)业绩"
        ),
        "{firms}: results", role="target", scheduled=True, anticipated="partly",
    ),
    Trigger(
        "litigation", "litigation",
        _words(r"\blawsuits?\b|\b(?:su(?:es|ed)|indict(?:s|ed|ment))\b|\b(?:court|judge) (?:rul|block|order|halt)\w+|起诉|判决|裁定"),
        "Court: {tail}", role="target",
    ),
    Trigger(
        "release", "model_release",
        _words(
            r"(?<!data )(?<!report )(?<!figures )(?<!study )(?<!statement )(?<!letter )\b(?:(?:releas|unveil|introduc)(?:es?|s|ed|ing)"
            r"|(?:launch|publish|debut)(?:es|ed|ing|s)?|open[- ]sourc(?:es|ed|ing)|roll(?:s|ed|ing)? out|(?:release|launch) of)\b"
            r"(?P<thing>[^,;.]{0,40}?\b(?:models?|weights|version)\b|,? ?(?:its |the )?(?:latest |new )?[\"“]?(?-i:[A-Z])\w*[- ]\d)"
            r"|\bmade (?:open[- ]source )?[^,;.]{0,20}?(?:latest |new )?(?:AI )?model\b(?= it|,| open)|(?:发布|推出|开源|上线)[^，。；]{0,20}?(?:模型|版本|(?-i:[A-Z])[A-Za-z]*[- ]?\d)"
        ),
        "{who} releases {what}", role="target",
    ),
    Trigger(
        "standard", "regulation",
        _words(
            r"\b(?:releas|issu|publish|adopt|approv|finali[sz]|propos)\w*\b[^,;.]{0,90}?\b(?:standards?|rules?|regulations?|guidelines|measures)\b"
            r"|(?:发布|出台|公布|印发)[^，。；]{0,30}?(?:标准|条例|办法|规定|指南)"
        ),
        "{who}: {hit}", official=True,
    ),
    Trigger(
        "subsidy", "industrial_policy", _words(r"\bsubsid(?:y|ies|ise[sd]?|ize[sd]?)\b|\bstate(?:-backed)? fund\b|大基金|补贴"),
        "{who} support: {tail}", official=True,
    ),
    Trigger(
        "macro", "macro",
        _words(r"\b(?:rate (?:cut|hike)|cuts? interest rates|payrolls|consumer prices|inflation data|ceasefire)\b|降息|加息|降准|非农"),
        "{tail}",
    ),
    Trigger(
        "statement", "government_statement",
        _words(r"\b(?:letter|memo) (?:to|from)\b|\b(?:secretary|minister|spokes\w+|official) (?:said|says|told)\b|发言人(?:表示|称)"),
        "{who} statement: {tail}", official=True,
    ),
    Trigger(
        "company", "corporate_announcement",
        _words(
            r"\b(?:early |advanced )?talks (?:with|to)\b|\b(?:agree[sd]?|plans?|announce[sd]?) (?:to|a) (?:acqui\w+|buy ?back|buyback|partner\w*|merge\w*)"
            r"|\b(?:share )?buybacks?\b|\bacquisition of\b|\bpartnership with\b|收购|回购|战略合作"
        ),
        "{tail}",
    ),
)  # fmt: skip

# Who governs: jurisdiction, zone of its day, its names, and what a title calls it.
OFFICIALS: tuple[tuple[str, str, str, re.Pattern[str]], ...] = (
    (
        "US", "America/New_York", "US",
        re.compile(
            r"\bWhite House\b|\bTrump\b|\b(?:US|U\.S\.|American) (?:government|administration|Commerce|Congress|Treasury|president|regulators?|officials?)"
            r"|\bCommerce Department\b|\bDepartment of Commerce\b|\bBureau of Industry and Security\b|\bBIS\b|\bWashington\b|\bPentagon\b"
            r"|美国政府|白宫|特朗普|美国商务部|美国总统"
        ),
    ),
    (
        "CN", "Asia/Shanghai", "China",
        re.compile(
            r"\bBeijing(?! ?-based)\b|\bChina['’]s (?:Ministry|government|cabinet|State Council|regulators?|cyberspace)|\bChinese (?:government|authorities|regulators?)"
            r"|\bMOFCOM\b|\bMIIT\b|\bState Council\b|\bCyberspace Administration\b|\bChina (?:Releases|Issues|Bans|Restricts|Summons|Approves|releases|issues|bans|approves)\b"
            r"|工信部|中国商务部|商务部|国家网信办|国务院|市场监管总局|发改委"
        ),
    ),
    ("EU", "Europe/Brussels", "EU", re.compile(r"\bEuropean (?:Commission|Union|Parliament)\b|\bBrussels\b|欧盟")),
    ("NL", "Europe/Amsterdam", "Dutch", re.compile(r"\bDutch government\b|\bThe Hague\b|荷兰政府")),
    ("JP", "Asia/Tokyo", "Japan", re.compile(r"\bJapan['’]s (?:government|ministry)\b|\bJapanese government\b|日本政府")),
    ("KR", "Asia/Seoul", "Korea", re.compile(r"\bSouth Korea['’]s (?:government|ministry)\b|\bKorean government\b|韩国政府")),
    ("UK", "Europe/London", "UK", re.compile(r"\b(?:UK|British) government\b|英国政府")),
    ("HK", "Asia/Hong_Kong", "Hong Kong", re.compile(r"\bHKEX\b|\bSecurities and Futures Commission\b|港交所|香港证监会")),
)  # fmt: skip

# Firms without a share of their own that the news write about.
UNLISTED = re.compile(
    r"\b(?:OpenAI|Anthropic|DeepSeek|Moonshot(?: AI)?|ByteDance|xAI|Mistral(?: AI)?|Huawei|Cohere|Perplexity|StepFun|Baichuan|01\.AI|Unitree"
    r"|YMTC|CXMT|SMEE)\b|深度求索|月之暗面|字节跳动|华为|长江存储|长鑫存储"
)
PRODUCT = re.compile(
    r"\b(?:[A-Z][A-Za-z]{1,12}-?[A-Za-z]?|[A-Z]{1,5})[- ]?\d{1,2}(?:\.\d{1,2}){0,2}(?:[- ](?:Flash|Pro|Max|Mini|Turbo|Plus|Lite|Air|Sol))?(?![\d%]|[.,]\d| ?percent)"
)
NOT_PRODUCTS = re.compile(
    r"^(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec|"
    r"January|February|March|April|August|September|October|November|December|Section|Article|Rule|Order|Page|Q[1-4]|H[12]|FY|CFR|Top|No|About|UTC|GMT|Nasdaq|G)\b[- ]?\d"
)

# Words before a trigger that make it a thought and not an event.
SUPPOSED = re.compile(
    r"\b(?:if|could|can|may|might|would|whether|should|unless|denie[sd]|no plans|yet to|did not|fears?|calls? for)\b|如果|若|可能|或将|是否|否认",
    _I,
)
BEFORE_THAT = re.compile(
    r"\b(?:had (?:previously|already|earlier|also)|previously|earlier this year|last year|years? ago)\b|此前|早前|去年",
    _I,
)
BENEFIT = re.compile(r"\bbenefit(?:s|ed|ing)? from\b|\bbeneficiar(?:y|ies) of\b|受益于", _I)

# ------------------------------------------------------------------------------------------------ moves of shares

PERCENT = re.compile(r"(?P<n>\d{1,3}(?:\.\d+)?)\s?(?:%|％|percent\b|per cent\b)")
UP = re.compile(
    r"\b(?:surg|soar|jump|ris|rose|gain|climb|rall|advanc|spik|leap|leapt|skyrocket|add(?:ed|ing)|up\b|higher)\w*"
    r"|上涨|大涨|暴涨|飙升|涨幅|收涨|涨|走高|拉升", _I,
)  # fmt: skip
DOWN = re.compile(
    r"\b(?:fell|fall|drop|plung|tumbl|slump|slid|slip|sank|sink|declin|los[te]|los(?:es|ing)|crash|plummet|down\b|lower|shed)\w*"
    r"|下跌|大跌|暴跌|跳水|跌幅|收跌|跌|走低|重挫", _I,
)  # fmt: skip
SHARE_WORDS = re.compile(
    r"\b(?:shares?|stocks?|intraday|closed|closing|market (?:value|cap)|trading)\b|股价|股份|盘中|收盘|收涨|收跌|早盘|午盘|港股|涨停|跌停",
    _I,
)
NOT_PRICES = re.compile(
    r"\b(?:revenues?|sales|profits?|earnings|income|downloads?|users?|share of|market share|shipments?|margins?|developers|capacity|costs?)\b"
    r"|营收|净利|收入|利润|销量|用户|份额|占比", _I,
)  # fmt: skip
CLOSE_WORDS = re.compile(r"\b(?:clos(?:e[ds]?|ing)|end(?:ed|ing)|finish(?:ed|ing)|settled)\b|收盘|收涨|收跌|收报", _I)
INTRADAY_WORDS = re.compile(
    r"\b(?:intraday|at one point|as much as|as high as|peak\w*|at its high|session high)\b|盘中|一度|最高", _I
)
