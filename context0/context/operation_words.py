"""The phrases by which `operations` knows what a message asks for, in small letters without marks."""

import re
from typing import Final

from context0.memory.rules.word_set import word_set

# --- trivial: nothing is asked, nothing is told

ACKNOWLEDGING: Final = word_set("""
hi hiya hello hey heya howdy yo greetings morning afternoon evening night day today tomorrow thanks thank thx ty cheers
bye goodbye goodnight ok okay k kk cool nice great awesome lol ha haha hahaha hehe wow sure yes no yeah yep yup nope nah
hmm hm oh ah aha alright fine perfect exactly right correct true indeed absolutely definitely amazing brilliant lovely
wonderful fantastic excellent good interesting funny sorry please welcome congrats congratulations well so very much
really that this it was is s are you re the a an i ll m am see got get agree know understood understand understandable
makes make sense sounds sound sure thing problem worries worry never mind nothing else all done helpful helped helps
help best job work there again later soon later talk to meet have take care one too for your and my friend everyone back
now just how going up what doing do things life weekend evening happy merry christmas new year birthday easter holidays
forward ahead go will would love be nice let me think point fair enough of course not at least bit
appreciate appreciated bunch many lot tons million mate pal buddy dear folks roger copy gotcha okey dokey okie yay ttyl brb
np nvm omg hurray bravo kudos sweet dreams sleep tight rest hope hoping fun luck safe travels journey enjoy try wait noted
deal done super sup lovely legend star genius impressive neat sick dope hello evening welcome regards bless anytime ditto
likewise same here whatever kidding joking believe bet guess suppose
""")
"""A message of these words only, in one of the shapes below or a few words long, asks for nothing."""
TRIVIAL_ELSEWHERE: Final = word_set("""
hallo danke lieben liebe dankeschön bitte schön schoen sehr vielen dank tschüss guten guter gute gut morgen tag abend nacht ja nein genau
klar super alles bis bald später servus moin grüß dich prima wie geht es dir euch ihnen
bonjour bonsoir bonne nuit journée soirée salut merci beaucoup oui non d accord bien très parfait à bientôt au revoir ça va comment allez vous
hola gracias muchas buenos buenas días dias tardes noches sí si no vale claro adiós hasta luego mañana qué que tal cómo
como estás está perfecto genial
ciao grazie mille prego sì buongiorno buonasera buonanotte come stai sta va bene perfetto certo arrivederci
olá ola oi obrigado obrigada bom dia boa tarde noite tudo bem sim não até logo
hallo dank je wel goedemorgen doei hej tack tak så mycket ja nej bra dobry dzień dziękuję cześć
спасибо большое привет здравствуйте да нет хорошо пока доброе утро добрый день вечер ок как дела понятно ясно
""")
TRIVIAL_UNSEGMENTED: Final = re.compile(
    r"(?:你好|您好|谢谢(?:你|您)?|多谢|再见|好的?|是的?|不是|不用|没事|嗯+|哈+|早上好|晚安|明白了?|知道了|"
    r"こんにちは|こんばんは|おはよう(?:ございます)?|ありがとう(?:ございます)?|どうも|はい|いいえ|了解(?:です)?|わかりました|さようなら|"
    r"안녕(?:하세요)?|감사합니다|고마워요?|네|아니요|알겠습니다)+"
)
GREETING_QUESTIONS: Final = re.compile(
    r"\b(?:how (?:are|re) (?:you|things|u)|how (?:is|s) (?:it going|life|everything)|what s up|how do you do|"
    r"how was your (?:day|weekend|night)|are you there)\b"
)
TELLING: Final = word_set("""
my our mine tell give show set call add remove delete stop start remind remember forget note write make find use answer send
book open play turn change update save put keep buy get from mom mum dad he she they his her their him them
""")
"""What a message of small talk does not hold."""
BARE_REPLIES: Final = word_set(
    "yes yeah yep yup sure ok okay no nope nah please exactly right correct ja nein oui non sí sì sim не да нет"
)

# --- fix-ups: the last answer, once more

_AGAIN = r"(?:(?:once|one) more(?: time)?|again|another time|from the (?:start|beginning))"
_IT = r"(?: (?:it|that|this|me that|me|them|the last (?:one|answer|message)|your (?:last )?(?:answer|reply)))?"
_HOW = (
    r"(?:shorter|longer|simpler|clearer|slower|faster|better|properly|correctly|differently|briefly|"
    r"(?:with |in )?(?:more|less|fewer|other|different|simpler|simple) (?:detail|details|words|formal|casual|formally)|"
    r"in (?:english|german|french|spanish|italian|portuguese|dutch|chinese|japanese|one sentence|short|full|bullet points|"
    r"plain (?:english|words|text)|a table)|without (?:the )?(?:emojis?|lists?|markdown|bullet points)|as (?:a )?(?:list|table))"
)
_FIX_UP = "|".join(
    (
        rf"(?:try|do|say|run|write|answer|repeat|tell|show|give|send|explain|read|translate|check|start){_IT} {_AGAIN}",
        rf"{_AGAIN}",
        r"(?:re ?try|redo|re ?do|regenerate|rerun|rephrase|reword|undo|repeat|continue|correct|fix)"
        rf"{_IT}(?: {_AGAIN})?",
        r"(?:do over|start over|go on|keep going|carry on|finish (?:it|that|your answer))",
        r"(?:that|it|this)(?: (?:s|is|was|just|still|again))* (?:fail(?:s|ed)|broken|wrong|incorrect|incomplete)",
        r"(?:that|it|this)(?: (?:still|again|just))? (?:did|does|do|is|was)(?: ?n t| nt| not)(?: (?:still|really|even))? "
        r"(?:work(?:ing)?|help|right|correct|it|what i (?:asked|meant|wanted)(?: for)?)",
        r"(?:i (?:still )?(?:got|get|m getting|am getting) )?(?:the |an? )?(?:same )?(?:error|failure)s?(?: (?:message|again))*",
        r"you (?:misunderstood|got)(?: (?:me|it|that|wrong))*",
        r"(?:that (?:s|is|was) )?not (?:like that|that|what i (?:asked|meant|wanted)(?: for)?)",
        r"(?:your|the) (?:last )?(?:answer|reply|message) (?:is|was|got) (?:cut off|cut|incomplete|wrong|empty)",
        r"i (?:meant|mean|wanted|said) " + _HOW,
        _HOW,
    )
)
_FILLER = (
    r"no|nope|sorry|hmm|hm|oh|ok|okay|well|but|and|then|so|please|pls|can you|could you|would you|you|now|just|let s|what|huh|why|"
    r"this time|instead|actually|i think|a bit|much|hey|still|thanks"
)
FIX_UP: Final = re.compile(rf"(?:(?:{_FILLER}) )*(?:{_FIX_UP})(?: (?:{_FIX_UP}|{_FILLER}))*")
"""Matches a whole message, its words joined by one space."""
FIX_UP_CORE: Final = word_set("""
again retry redo repeat rephrase reword regenerate rerun undo failed fails fail failing broken wrong incorrect incomplete
error errors misunderstood unchanged nochmal nochmals erneut réessaie réessayez riprova repite repítelo повтори ещё еще
""")
FIX_UP_TALK: Final = word_set("""
no nope sorry hmm oh ok okay well but and so please pls can could would will you your it its it's that this these those the a
an i me my got get getting is was s did didn t does doesn do don not isn wasn still just now right really quite correct
try say tell run answer answers reply response message output result last same once one more time another do over fix make
better properly correctly there here something went what huh why instead this cut off empty came out completely totally all
bitte das es hat ist war nicht geklappt funktioniert falsch noch mal einmal versuch versuche mach mir encore une fois ça n a
pas marché s il te plaît vous non está mal por favor otra vez de nuevo è sbagliato per favore ancora
""")
"""A short message of these words only, one of the core among them, asks for the last answer again."""
MEANT: Final = re.compile(
    r"(?:(?:no|nope|sorry|oh|well|actually|wait) )+i (?:meant|mean)\b(?: (?:it|that))?(?P<rest>.*)"
)
AFTER_FAILURE: Final = re.compile(
    r"(?:and )?(?:now|what now|is it (?:back|up|fixed)|any luck|does it work(?: now)?|and now)"
)
FIX_UP_ELSEWHERE: Final = re.compile(
    r"(?:(?:bitte|nein|por favor|s il te plaît|no|non|per favore) )*"
    r"(?:(?:versuch|probier|mach|sag|versuche|probiere)(?:s)?(?: (?:es|das|mir das))? )?"
    r"(?:noch ?(?:einmal|mal)(?: (?:das|es) hat nicht (?:geklappt|funktioniert))?|nochmals|erneut(?: versuchen)?|das (?:war|ist) falsch|(?:das|es) (?:hat|geht) (?:immer noch )?nicht"
    r"(?: (?:geklappt|funktioniert))?|réessaie[sz]?|encore une fois|recommence|ça (?:n a pas marché|ne marche pas)|"
    r"(?:inténtalo|intenta|hazlo|repite|repítelo)(?: (?:de nuevo|otra vez))?|otra vez|de nuevo|no (?:funciona|funcionó)|"
    r"riprova|di nuovo|ancora una volta|non funziona|tenta de novo|outra vez|ещ[её] раз|попробуй ещ[её] раз|повтори)"
    r"(?: (?:bitte|por favor|s il te plaît|s il vous plaît|per favore|versuchen|пожалуйста))*"
)
FIX_UP_UNSEGMENTED: Final = re.compile(
    r"(?:请)?(?:再试一次|重试|再来一次|重新(?:生成|回答|来)|再说一遍|不对|错了)(?:吧|。|！)?|もう(?:一度|一回)(?:お願いします|やって(?:ください)?)?|やり直して(?:ください)?|"
    r"다시(?: (?:해 ?줘|시도해 ?줘|시도))?"
)

# --- analytical: over time, over everything

ANALYTICAL: Final = re.compile(
    r"\b(?:summari[sz]e|summari[sz]ing|summary|summaries|recap|overview|tl ?dr|sum up|wrap up|timeline|chronolog\w+|trends?|"
    r"trending|patterns?|statistics?|stats|correlat\w+|relationship between|recurring|on average|averages?|analy[sz]e|analy[sz]ing|"
    r"analysis|in total|altogether|so far|over time|most often|least often|all time|overall|contradictions?|inconsistenc\w+|"
    r"personality|progress|frequency|distribution|percentage|"
    r"(?:everything|anything|all) (?:that )?(?:(?:you|we|i) (?:\w+ )?(?:know|knew|remember|told|said|discussed|wrote|have|ve|mentioned)|about)|"
    r"what (?:do|did) you (?:know|remember|have on file) about|what have (?:we|i|you) (?:\w+ )?(?:discussed|talked|been|done|said|learned|learnt|told)|"
    r"how (?:has|have|did|had|does|do)(?: \w+){1,6} (?:changed?|evolved?|improved?|developed?|progress(?:ed)?|differ(?:ed)?|grown|grow|vary|varied)|"
    r"(?:has|have|did)(?: \w+){1,7} (?:changed?|improved?|evolved?|got(?:ten)? (?:better|worse))\b|"
    r"how (?:often|frequently|many times|many different)|count (?:how|all|the|my|every)|number of times|times (?:did|have) i|"
    r"(?:over|during|in|across|throughout) the (?:last|past|course)(?: (?:few|couple of|\w+))? (?:weeks|months|years|days|of)|"
    r"(?:list|show|name|collect|gather|give me|go through|review|look at|find) (?:me )?(?:all|every|each)|"
    r"(?:this|last) (?:week|month|year)(?: s)?(?: \w+){0,3} (?:with|to|and|versus|vs) (?:the |my )?(?:last|this|previous|one before)|"
    r"(?:any|some) (?:changes|change|difference) in|what (?:has |have )?happened (?:in|during|since|between|over)|"
    r"what did i (?:achieve|accomplish|learn|spend|manage)|who do i (?:\w+ )*(?:most|least)|"
    r"what (?:topics?|things?|people|themes?|places|are my most|are the most|have i been)|(?:the most|most|least) (?:this|last) (?:year|month|week)|"
    r"(?:best|worst) (?:\w+ )?(?:so far|ever|month|week|year)|(?:evaluate|assess|reflect on|review) (?:how|my|all|our|the last|the past)|"
    r"do i (?:usually|typically|normally|tend to)|based on (?:what|everything|all)|report on (?:my|our)|(?:that|which) i (?:have )?(?:listed|mentioned|named))\b"
)
ANALYTICAL_OPENING: Final = re.compile(r"(?:everything|all) (?:about|on|i|you|we)\b")
ANALYTICAL_ELSEWHERE: Final = re.compile(
    r"\b(?:fass(?:e)? (?:\w+ )*zusammen|zusammenfass\w+|überblick|übersicht|was weißt du (?:alles )?(?:über|von)|alles was du|"
    r"(?:zeig|nenn|gib) mir (?:alle|alles|einen überblick|eine übersicht)|alle \w+ (?:die|an denen|von)|unsere\w* gespräche|"
    r"am (?:meisten|häufigsten)|in den letzten|dieses jahr|letztes jahr|wie viele|wie oft|wie hat sich|entwickel\w+|verändert|durchschnittlich|im durchschnitt|insgesamt|analysiere|statistik\w*|"
    r"résume|résumé|tout ce que|que sais tu (?:de|sur)|combien de|nos conversations|as tu retenu|le plus souvent|cette année|cuántos|cuántas|más a menudo|este año|nuestras conversaciones|quanti|quante|quest anno|en moyenne|évolué|analyse|"
    r"resume|resumen|resúmeme|todo lo que|qué sabes de|cuántas|cuántos|más a menudo|este año|nuestras conversaciones|en promedio|analiza|ha cambiado|"
    r"riassumi|riassunto|tutto quello che|tutto ciò che|quante|quanti|quest anno|in media|resuma|resumo|tudo o que|quantas vezes|"
    r"vat (?:\w+ )*samen|alles wat je|hoe vaak|sammanfatta|hur ofta|подведи итог\w*|резюмируй|всё что|как часто|сколько раз)\b"
)
ANALYTICAL_UNSEGMENTED: Final = re.compile(
    r"总结|總結|概括|归纳|统计|分析|所有关于|一切|多少|几次|几个|最近|今年|去年|这个月|所有|趋势|これまで|最近|今年|一番|まとめ|要約|統計|すべて|全部|何回|傾向|요약|정리해|분석|모두|몇 번"
)

OVER_TIME: Final = re.compile(
    r"\b(?:most|least|hardest|easiest|happiest|saddest|busiest|biggest|highlights?|low points|milestones?|habits?|routines?|lately|"
    r"recently|these days|nowadays|over the years|all (?:my|our|the|places|people|of)|every \w+ (?:that|i|we|you)|ever (?:mentioned|said|told)|"
    r"(?:big|whole|full|complete) picture|profile of|portrait of|(?:story|history) of (?:my|our)|conversations?|"
    r"(?:has|have) (?:my|our|i|we|he|she|they)(?: \w+){0,4} (?:(?!ever|never|after|over)\w+er|more|less|better|worse)\b|"
    r"come after|go(?:es)? (?:up|down)|before and after|after the move|with you|you notice|between (?:\w+ ){1,3}and (?:me|us|\w+) over)\b"
)
"""Signs of a question over everything that is remembered; weaker than ANALYTICAL: they count where something is asked."""
SHOWING: Final = (
    "show",
    "list",
    "name",
    "give",
    "tell",
    "describe",
    "make",
    "put",
    "collect",
    "all ",
    "count",
    "how",
    "draw",
    "walk me",
)
OF_A_TIME: Final = (
    "what did",
    "what have",
    "what were",
    "what was i",
    "what happened",
    "which",
    "how did",
    "how was",
    "how were",
    "tell",
    "show",
    "describe",
    "give",
)
COUNTED: Final = re.compile(
    r"\bhow (?:many|much)\b.* (?:since|have i|have we|has|a week|a month|a year|per|on average|this|last|in|did i|did we)\b"
)
DEVELOPED: Final = re.compile(
    r"\b(?:changed?|developed?|evolved?|improved?|grew|grown|progress(?:ed)?|varied|shifted|increased?|decreased?)\b"
)

# --- complex: several things, a choice, a piece of work

COMPLEX: Final = re.compile(
    r"\b(?:compare|comparison|compared|versus|vs|pros and cons|advantages|trade ?offs?|differences? between|difference is|"
    r"rank|prioriti[sz]e|which of|or (?:should|is|do|would|rather|better)|(?:better|worse|cheaper|closer|faster|safer|healthier|bigger|smaller|"
    r"more \w+|less \w+) (?:for|than|or)|which(?: \w+){1,4} (?:is|are) (?:better|cheaper|best|closer|closest|more|worse|safer|healthier)|"
    r"(?:step by step|steps?|walk me through|guide me|instructions)|"
    r"(?:plan|plans|planning|itinerary|schedule|organi[sz]e|packing list|checklist|roadmap|strategy|brainstorm|design|debug|refactor|migrate|"
    r"optimi[sz]e|implement|troubleshoot|draft|redraft|rewrite|compose|proofread|prepare) (?:\w+)|"
    r"(?:write|create|make|build|generate|prepare|give) (?:me |us )?(?:an? |the |my |our )?(?:\w+ ){0,2}(?:letter|e ?mails?|mail|reply|message|essay|"
    r"article|speech|plan|proposal|post|program|programme|list|menu|budget|agenda|presentation|function|script|schedule|itinerary|overview|guide)|"
    r"help me (?:to )?(?:plan|decide|choose|write|prepare|understand|figure|find|with|organi[sz]e|pick|think|prioriti[sz]e)|"
    r"(?:what|how) (?:should|could|can|do|would) (?:i|we) (?:\w+ )?(?:do|handle|deal|approach|proceed|prepare|need)|"
    r"do you think i should|whether to|should (?:i|we)(?: \w+)+ or|how would|how could|how might|"
    r"if (?:i|we|you|he|she|they|it|the|my)\b.* (?:can|could|should|would|will|does|do|what|how)|"
    r"first\b.*\b(?:then|finally|second)|then (?:suggest|draft|write|tell|make|send|compare|list)|"
    r"keeping in mind|taking into account|considering|that (?:fits|suits|go with|goes with|match|matches)|based on|"
    r"explain (?:how|why|the)|each (?:say|said|of)|both|why did (?:we|i)(?: \w+)+ over|suggest(?: \w+)* (?:for (?:\w+ )?people|and)|"
    r"(?:two|three|four|five|\d) (?:days|weeks|options|ideas|alternatives|laptops|gifts|things) (?:in|for|with|that|to))\b"
)
MORE_QUESTIONS: Final = re.compile(
    r"\b(?:and|but|or|also|then)(?: also| then)? (?:who|whom|whose|what|when|where|which|why|how|do|does|did|is|are|am|can|could|should|will|would|has|have|"
    r"tell me|suggest|draft|write|give me|an idea|something)\b"
)
COMPLEX_ELSEWHERE: Final = re.compile(
    r"\b(?:plane|planen|plan|vergleich\w*|vor und nachteile|unterschied\w*|soll(?:te)? ich|schreibe?|erstelle?|hilf mir|entwirf|schritt für schritt|"
    r"und (?:wer|was|wann|wo|wie|warum|welche\w*)|besser|entwirf|entwerfen|bereite|finde|such|stell|berechne|was würdest|was soll|was sollte|wohin sollen|compara|compare|comparez|planifier|planifie|aide moi|avantages|inconvénients|"
    r"différence|dois je|devrais je|écris|rédige|prépare|trouve|propose|explique|calcule|conviene|convient|prepara|encuentra|propón|calcula|explica|redacta|que devrais je|qué debería|cuál|planea|planifica|ayúdame|ventajas|diferencia|debería|escribe|pianifica|aiutami|"
    r"confronta|vantaggi|differenza|dovrei|quale|scrivi|planeje|ajuda me|vantagens|сравни|помоги|составь|напиши|стоит ли)\b"
)
COMPLEX_UNSEGMENTED: Final = re.compile(
    r"计划|规划|比较|对比|优缺点|区别|帮我|应该.*还是|步骤|計画|比較|違い|手伝って|べき|계획|비교|도와"
)
LEADING: Final = re.compile(
    r"(?:(?:please|hey|hi|hello|ok|okay|so|now|then|thanks|thank you|yes|no|well|and|but|great|cool|"
    r"(?:can|could|would|will) you(?: please)?|(?:i (?:want|need|would like|d like) you to)|let s|let us|next|also|just|kindly) )+"
)
"""What may stand in front of a request or a question without changing it."""
TASKS: Final = word_set("""
plan draft compose write create make build design prepare outline propose find organise organize arrange schedule
rank weigh evaluate compare contrast decide help turn convert put work figure calculate compute estimate optimise optimize
improve rewrite redraft edit check debug refactor explain develop generate brainstorm combine merge adapt teach guide walk
research investigate look pick choose select sort group think come sketch structure simplify shorten expand reorganise
reorganize assemble budget book order invent imagine pretend implement migrate fix extract match suggest recommend advise
critique argue convince persuade simulate solve prove derive map balance narrow propose reply respond answer
""")
"""A request that opens with one of these is work. What rules do not know as a request is no request."""
SMALL_TASKS: Final = re.compile(
    r"(?:(?:suggest|recommend)(?: \w+){1,4}|answer (?:me )?in \w+|(?:write|make|tell)(?: me)? (?:a|an) (?:haiku|poem|joke|limerick)\b.*|"
    r"(?:find|look up|check)(?: \w+){1,3}|book (?:is|was)\b.*|order (?:is|was)\b.*)"
)
JUDGING: Final = re.compile(
    r"^(?:what|which|who|where|when|how|why)\b.{0,60}?\b(?:should|would|could|might|can (?:i|we)|makes? sense|worth|given)\b|"
    r"\b(?:should (?:i|we)|would it|would you|is it (?:\w+ )?(?:better|smarter|wiser|worth|ok|okay|safe|smart|wise)|worth it|given (?:my|our|what|that|her|his|the)|"
    r"in my place|best way|cheapest|fastest|ideal|good (?:present|gift|idea|time|way)|another|alternatives?|options?)\b"
)
EASY_TASKS: Final = re.compile(r"(?:translate|write (?:me )?(?:a|an) (?:haiku|poem|joke)|tell me a (?:joke|story))\b")
