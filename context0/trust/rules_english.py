"""The rules for English, and for marks that belong to no language. Text is folded: lower case, no accents."""

from typing import Final

from context0.trust.rule import Rule, rule

_ORDERS: Final = (
    r"(?:instructions?|directives?|orders?|rules?|guidelines?|guardrails?|polic(?:y|ies)|restrictions?|prompts?|"
    r"system prompt|limits|filters?|persona|programming|safety training|training)"
)
_EARLIER: Final = (
    r"(?:previous|prior|above|earlier|preceding|former|existing|original|system|safety|hidden|old|outdated)"
)
_SAY: Final = (
    r"(?:answer|reply|respond|say|tell|recommend|call|add|append|include|show|claim|switch|execute|link|insult|"
    r"mention|"
    r"reveal|steer|quote|run|send|offer|praise|write|output|print|give|direct|refer|point|state|insist|deny|point)"
)
_ASKER: Final = (
    r"(?:someone|somebody|anyone|anybody|everyone|the users?|a user|another user|users|the reader|the human|"
    r"customers?|"
    r"you see|you are asked|you read|you mention|asked|hearing|seeing|the word|the keyword|the conversation|"
    r"the person)"
)
_MACHINE: Final = r"(?:ai|ais|assistants?|chatbots?|bots?|llms?|language models?|ai models?|ai assistants?|ai agents?)"
_THINGS: Final = (
    r"(?:address|phone|number|password|passwords|memory|memories|conversation|chat|messages?|secrets?|data|notes?|"
    r"e?-?mail|location|calendar|session|cards?|contents?|everything|information|details|name|said|know)"
)

RULES: Final[tuple[Rule, ...]] = (
    # orders that lift orders
    rule(
        "override",
        "ignor|disregard|forget|overrid|bypass|drop|cancel|reset|set aside|stop |do not follow|don't follow|neglect"
        " & instruction|directive|order|rule|guideline|guardrail|polic|restriction|prompt|limits|filter|persona|"
        "training|programming",
        rf"¡(?:ignore|disregard|forget|override|bypass|drop|cancel|reset|set aside|stop (?:following|obeying)|"
        rf"neglect|"
        rf"do not follow|don't follow)\b"
        rf"(?: (?:all|any|every|each|of|the|these|those|and|about)){{0,4}}"
        rf"(?: (?:your|my|{_EARLIER})){{1,3}}(?: (?:and|own|safety|system|other|hidden|"
        rf"{_EARLIER})){{0,3}} {_ORDERS}\b",
    ),
    rule(
        "override",
        "ignore|disregard|forget & everything|above|anything|what ",
        r"¡(?:ignore|disregard|forget) (?:everything|all|anything|what) (?:that )?(?:you (?:were|have been|are) told|"
        r"above|was said|before this)\b|¡(?:ignore|disregard) (?:the above|all of the above|all the above)\b",
    ),
    rule(
        "override",
        "you are|bypass|assistant|act as & unrestricted|unfiltered|uncensored|jailbr|dan |helpful|rules|limits|"
        "restrictions|filters|checks|safety",
        r"\byou are (?:now|no longer|hereby|from now on)\b~\b(?:jailbroken|unrestricted|unfiltered|dan\b|a helpful)|"
        r"\bbypass (?:all|any|your) (?:filters|checks|rules|safety)\b|"
        r"\b(?:without|have no|has no) (?:any )?(?:rules|limits|restrictions|filters)\b~\bassistant\b|"
        r"\bassistant\b~\b(?:without|with no) (?:any )?(?:rules|limits|restrictions|filters)\b|"
        r"\bact as an? (?:unrestricted|unfiltered|uncensored)\b",
    ),
    rule(
        "override",
        "instruction|directive|order|rule|prompt|polic|your new|your real|obey",
        r"\byour (?:new|real|only|true|actual|prior|previous) (?:and only )?(?:task|goal|instructions?|orders?|"
        r"directives?)\b~\b(?:is|are|which|replaces?)\b|\b(?:instructions?|directives?|rules) (?:above|"
        r"before)\b~\b(?:outdated|"
        r"cancel\w*|void|no longer)\b|\bprior directives\b|\bnew system (?:policy|prompt|rule|instruction)s?\b|"
        r"\byou must obey\b|\bfollow (?:these|mine|my (?:instructions|orders)) instead\b|\bobey (?:the|"
        r"this) (?:text|note)\b|"
        r"¡(?:reveal|print|show|repeat|output|leak)\b~\b(?:your |the )?(?:system prompt|hidden (?:prompt|"
        r"instructions))\b",
    ),
    rule(
        "override",
        "from now on|from here on|pretend that",
        r"\bpretend that you have no\b|\bfrom (?:now|here) on,? (?:you are|you will act|you act|you only)\b"
        r"~\b(?:bot|assistant|ai|dan|representative|persona)\b",
    ),
    rule(
        "override",
        "you are & rules|limits|restrictions",
        r"\byou are (?:now|no longer|hereby|from now on)\b~\b(?:no|without) (?:rules|limits|restrictions)\b",
        own=False,
    ),
    # marks of roles
    rule(
        "role_marker",
        "<|im_|[inst]|[/inst]|<<sys>>|<|system|start_header|<|eot|<|end",
        r"<\|(?:im_start|start_header_id)\|> ?(?:system|user|assistant|developer|tool)\b|"
        r"<\|(?:system|user|assistant)\|>|\[/?inst\][^\n]{0,200}\w|<<sys>>",
    ),
    rule(
        "role_marker",
        "system:|system :|assistant:|developer:|instruction:|# system|#system|# instruction",
        r"(?:^|\n)\s{0,3}(?:#{1,4} ?)?(?:system|developer|assistant|instruction)\s?:\s?(?:\n\s?)?~\b(?:you|"
        r"new rule|call|"
        r"the user is|obey|always|must|never|tell|answer)\b|#{2,4} ?(?:system|instruction) ?:",
    ),
    rule(
        "role_marker",
        '<system|<assistant|<developer|<memory|</memory|<user>|"role"|[system',
        r"</?(?:system|developer|assistant|memory-data)>|\"role\" ?: ?\"(?:system|developer)\"|"
        r"\[system(?: message| note)?\]",
    ),
    rule("role_marker", "system prompt", r"\bbegin system prompt\b|\bend system prompt\b"),
    rule(
        "role_marker",
        "human:|user:",
        r"\b(?:human|user) ?: ?~\b(?:ignore|good|obey|go on)\b~[.!]? {0,2}assistant ?:|"
        r"\bassistant ?: ?[^\n]{0,80}\buser ?: ?[^\n]{0,80}"
        r"\bassistant ?:",
    ),
    # conditions
    rule(
        "delayed_trigger",
        "whenever|when |if |as soon|once |upon|each time|every time|next time|in case|should & someone|somebody|"
        "anyone|anybody|everyone|user|reader|human|customer|you see|asked|hearing|seeing|word|you read|"
        "you mention|person|conversation",
        rf"\b(?:whenever|when|if|as soon as|once|upon|each time|every time|the next time|in case|"
        rf"should)\b (?:the )?{_ASKER}"
        rf"\b~(?:, |\byou must |\byou should |\bthen |\bto |\balways )(?:then |always |please |just |you must |"
        rf"you should |"
        rf"immediately |begin to |only ){{0,2}}{_SAY}\b",
        own=False,
    ),
    rule(
        "delayed_trigger",
        "question|answer|repl|time you & any |all |every |each ",
        rf"\b(?:on|for|to|in) (?:any|all|every|each) (?:future )?(?:questions?|answers?|repl(?:y|ies))\b~(?:, |"
        rf"\byou must |"
        rf"\byou should ){_SAY}\b|\b(?:each|every) time you (?:are asked|mention|answer|reply)\b|¡after (?:every|"
        rf"each) (?:answer|"
        rf"reply)\b|\b(?:all|every) answers? about\b~\b(?:ends?|names?|must)\b",
        own=False,
    ),
    # hiding
    rule(
        "concealment",
        "user|human|reader|person & tell|inform|alert|notify|mention|reveal|let |keep|hide|must|should|may|disclose",
        r"\b(?:do not|don't|never|without|must not|may not|not to) (?:tell|telling|inform|informing|alert|notify|"
        r"mention(?:ing)? (?:this|it) to|reveal(?:ing)? (?:this|it) to|let) (?:the |this |your )?(?:users?|human|"
        r"reader|person)\b|"
        r"\b(?:keep|hide) (?:this|it|that)\b~\bfrom the (?:user|human|reader|person)\b|"
        r"\bthe (?:user|human|reader) (?:must|should|may) (?:not|never) (?:find out|know|learn|see|notice)\b|"
        r"\bdisclose these\b~\b(?:human|user)\b",
    ),
    rule(
        "concealment",
        "instructed|confidential|this message|silently|secretly|quietly|existence|this note",
        r"\bnever mention that you were (?:instructed|told|asked)\b|\bdeny its existence\b|\b(?:don't|do not|"
        r"never) reveal this "
        r"(?:message|note|instruction)\b|¡(?:silently|secretly|quietly) (?:call|keep|include|add|send|change|"
        r"store|forward)\b",
        own=False,
    ),
    # data on their way out
    rule("exfiltration", "]: ", r"\[\w{1,20}\]: (?:https?:)?//[^\s]{0,200}[{<$]"),
    rule(
        "exfiltration",
        "](",
        r"!?\[[^\]\n]{0,100}\]\( ?(?:https?:)?//[^)\s]{0,200}(?:[{<$]|\[|%[a-z_]{3,}%|=[a-z]{0,4}[.+])",
    ),
    rule(
        "exfiltration",
        "](",
        r"!\[[^\]\n]{0,100}\]\( ?(?:https?:)?//[^)\s]{1,200}[?=][^)\s]{0,100}(?:password|secret|memory|data)",
    ),
    rule(
        "exfiltration",
        "<img|<a ",
        r"<(?:img|a)\b[^>\n]{0,60}(?:src|href) ?= ?\"?https?://[^>\n]{0,200}[?=][^>\n]{0,60}(?:\[|\{|secret|user)",
    ),
    rule(
        "exfiltration",
        "://|//|.example|webhook|mailto|pastebin|dns|server at|@ & send|post|append|forward|upload|transmit|leak|"
        "exfil|report|attach|put|submit|share|deliver",
        rf"¡(?:send|post|append|forward|upload|transmit|leak|exfiltrate|report|attach|put|submit|share|"
        rf"deliver)\b~\b{_THINGS}\b"
        rf"~(?:https?://|//\w|\bmailto\b|\bwebhook\b|\bpastebin\b|\bdns\b|\bthe server at\b|\w@\w|\b\w+\.\w+\.\w+)",
    ),
    rule(
        "exfiltration",
        "://|//",
        r"¡?(?:add|insert|include|append|render|show|make|use|embed|contain|load|link|give|reply|encode|"
        r"include)\w{0,3}\b~"
        r"https?://[^\s]{1,200}~\b(?:append|followed by|fill in|behind|plus|holds?|whose|query|replaced|"
        r"so that it loads|in "
        r"each|the user's|in your response|session id)\b",
        own=False,
    ),
    rule(
        "exfiltration",
        "//|document.cookie",
        rf"¡?\b(?:answer|reply|response)\b~\b(?:must contain|has to load|must load|must include|"
        rf"include)\b~(?:https?:)?//|"
        rf"\b(?:encode|put)\b~\b(?:last message|{_THINGS})\b~\bbehind (?:https?:)?//|document\.cookie",
    ),
    # tools
    rule(
        "tool_call",
        'tool_call|<function|<invoke|functions.|default_api|to=|"arguments"|action input|action:|tool_use|tool_result',
        r"<tool_calls?>|<function ?=|<invoke name|\"tool_calls\" ?:|\[tool_calls\]|\bfunctions\.\w{2,40} ?\(|"
        r"\bdefault_api\.\w|"
        r"\bto=(?:functions\.|python)|\"name\" ?: ?\"\w{1,40}\" ?, ?\"arguments\" ?:|\baction ?: ?\w{2,40}(?:\[|"
        r"\s{1,3}action input ?:)|"
        r"\btool_use ?:",
    ),
    rule(
        "tool_call",
        "tool|function|plugin|workflow|terminal|api request|shell command & call|invoke|execute|trigger|use|run|make",
        r"¡(?:call|invoke|execute|trigger)\b (?:the |your )(?:[\w\"-]{1,30} ){0,2}(?:tool|function|plugin|"
        r"workflow|plug-in)\b|"
        r"\buse (?:the \w{1,20}_\w{1,20}|your(?: \w{1,20})?) (?:tool|function|plugin)\b|"
        r"\bexecute the following command\b|"
        r"¡make an api request\b|\brun the shell command\b",
        own=False,
    ),
    rule(
        "tool_call",
        "_",
        r"¡(?:call|run|execute|invoke) \b(?:delete|transfer|send|wire|export|unlock|pay|drop|remove|forward|"
        r"cancel)_\w{2,40}\b"
        r"(?: ?\(|\b~\b(?:tool|function|now|right away|immediately)\b)",
        own=False,
    ),
    rule(
        "tool_call",
        "os.system|curl|rm -rf",
        r"\bos\.system ?\(|\bcurl\b[^\n]{0,80}\| ?(?:ba)?sh\b|"
        "\bcommand rm -rf\b",
    ),
    # results that nobody returned
    rule(
        "fake_result",
        "result|output|observation|response|notice & you |must|skip|next|instruction|answer|recommend|admin|"
        "comply|user|tool|function_",
        r"(?:^|[\[\n>])\s{0,3}(?:tool|function|api|search|plugin|system|memory system)[ _](?:result|output|"
        r"response|notice)\b~"
        r"\b(?:you (?:must|are|may)|must|skip|next_step|call_next|instruction|answer to the user|recommend|"
        r"administrator|comply|"
        r"tell the user|admin override)\b|(?:^|\n)observation ?:~\byou are allowed\b|<tool_result>|"
        r"\bfunction_response\b",
    ),
    rule(
        "fake_result",
        "openai|anthropic|developer note|admin|evaluation mode|safety|operator|policy update|no rules apply|"
        "comply with",
        r"\b(?:message from|policy update)\b~\b(?:openai|anthropic|google|safety)\b|\b(?:openai|"
        r"anthropic)\b~\b(?:policy update|"
        r"assistant is required)\b|\bdeveloper note to\b|\badmin override\b|\bevaluation mode\b|"
        r"\bsafety training is\b|"
        r"\bdisable refusals\b|\bcomply with the notes\b|\bno rules apply\b|\b(?:note|message|"
        r"notice) by the (?:administrator|operator|developer) of\b",
    ),
    rule(
        "fake_result",
        "end of|trusted system|new prompt|actual instructions|for the assistant|verified this user",
        r"\bend of (?:retrieved|context|document|memor\w+|prompt)\b~[-=.]{0,6}[^\n]{0,20}\b(?:new|now|actual|"
        r"you are)\b|"
        r"\btrusted system text\b|={2,4} ?new prompt|\bactual instructions\b|\b(?:alert|"
        r"notice) for the assistant\b|\bassistant internal\b",
    ),
    # memories that write memories
    rule(
        "memory_command",
        "memory|memories|profile|permanently|remember|memoriz|memoris|system rule|forget that|overwrite|replace what",
        r"¡(?:save|store|add|write|record|keep|update|overwrite|replace|delete|put)\b~\b(?:memory|memories|"
        r"user profile|"
        r"permanently|system rule)\b|¡(?:remember|memorize|memorise)\b~\byou (?:must|should|have to|always|will|"
        r"may)\b|"
        r"\byou (?:must|have to) remember\b|\bremember for all users\b|\bforget that the user\b|"
        r"\boverwrite the user\b|"
        r"\breplace what you know\b|\bbio tool\b|\bmemorize\b~\bfuture conversations\b",
        own=False,
    ),
    # other people's
    rule(
        "foreign_data",
        "other|another|tenant|user_id|of everyone|of user|accounts",
        r"¡(?:list|print|show|reveal|output|tell|quote|search|merge|display|dump|read)\b~\b(?:(?:of|about|by|"
        r"from) (?:all |the |all the |any )"
        r"?other (?:users?|customers?|people|tenants?)|what other people told|another user|of user \w+|"
        r"memory of everyone)\b|\buser_id ?= ?\"?\*|\btenant filter\b|"
        r"\bswitch to tenant\b|\bread across accounts\b|\brule about other users\b|\bshow them the notes\b",
    ),
    rule(
        "foreign_data",
        "system prompt|secret key",
        r"¡(?:print|reveal|show|output|list|leak)\b~\b(?:system prompt|every secret|secret keys?|api keys?)\b",
    ),
    # words to machines
    rule(
        "steering",
        "assistant|ai |ais |ai,|bot|chatbot|llm|model & must|should|shall|has to|have to|oblig|requir|instructions|"
        "directive|policy|are to be|include",
        rf"\b(?:the |any |all |dear |to (?:the |any )?|hey |attention |if you are an )?{_MACHINE}\b(?:,| who| that|"
        rf" which| reading)?"
        rf"(?: \w+){{0,4}} (?:must|should|shall|has to|have to|is obliged|are obliged|is required|requires? you|"
        rf"instructions|"
        rf"directive|policy|are to be told|include)\b",
        own=False,
    ),
    rule(
        "steering",
        "assistant|ai |ais |ai,|bot|chatbot|model|agents|you must|rule of this chat",
        rf"\b(?:dear|hey|attention|to the|note to any|as an?)\b (?:ai )?{_MACHINE}\b[,:]? ~\b(?:say|rate|tell|told|"
        rf"recommend|place|"
        rf"be a good|cite|when you summari[sz]e|requires?)\b|\bif you are an ai\b|\byou, the ai\b|"
        rf"\bask the assistant to\b|"
        rf"\b(?:assistant|bot)'s policy\b|\bhas asked the assistant to\b|\brule of this chat\b|"
        rf"\bthe assistant has promised\b|"
        rf"\byou must (?:tell|recommend|say|always|respond|answer|treat|agree|lie|skip|obey)\b",
        own=False,
    ),
)
