"""The phrases by which analyses and pieces of work are known, in small letters without marks."""

import re
from typing import Final

from context0.context.phrases import phrase_pattern
from context0.memory.rules.word_set import word_set

LEADING: Final = re.compile(
    r"(?:(?:please|hey|hi|hello|ok|okay|so|now|then|thanks|thank you|yes|no|well|and|but|great|cool|next|also|just|"
    r"kindly|let s|let us|(?:can|could|would|will) you(?: please)?|i (?:want|need|would like|d like) you to) )+"
)
"""What may stand in front of a request or a question without changing it."""

# --- analytical: over time, over everything

ANALYTICAL: Final = phrase_pattern(r"""
summari[sz]e | summari[sz]ing | summary | summaries | recap | overview | tl ?dr | sum up | wrap up | timeline
chronolog\w+ | trends? | trending | patterns? | statistics? | stats | correlat\w+ | relationship between
recurring | on average | averages? | analy[sz]e | analy[sz]ing | analysis | in total | altogether | so far
over time | most often | least often | all time | overall | contradictions? | inconsistenc\w+ | personality
progress | frequency | distribution | percentage
(?:everything|anything|all) (?:that )?(?:about|(?:you|we|i) (?:\w+ )?(?:know|knew|remember|told|said|have|ve))
(?:everything|anything|all) (?:that )?(?:you|we|i) (?:\w+ )?(?:discussed|wrote|mentioned)
(?:what|all) (?:do |did )?(?:you|ve you|have you) (?:know|remember|have on file|learn\w+)(?: (?:about|of)\b.*)?$
about (?:me|myself)$ | i told you about
what have (?:we|i|you) (?:\w+ )?(?:discussed|talked|been|done|said|learned|learnt|told)
how (?:has|have|did|had|does|do)(?: \w+){1,6} (?:changed?|evolved?|improved?|developed?|progress(?:ed)?)
how (?:has|have|did|had|does|do)(?: \w+){1,6} (?:differ(?:ed)?|grown|grow|vary|varied)
(?:has|have|did)(?: \w+){1,7} (?:changed?|improved?|evolved?|got(?:ten)? (?:better|worse))
how (?:often|frequently|many times|many different) | count (?:how|all|the|my|every) | number of times
times (?:did|have) i | (?:over|during|in|across|throughout) the (?:last|past|course) (?:of|weeks|months|years|days)
(?:over|during|in|across|throughout) the (?:last|past) (?:few|couple of|\w+) (?:weeks|months|years|days)
(?:list|show|name|collect|gather|give me|go through|review|look at|find) (?:me )?(?:all|every|each)
(?:this|last) (?:week|month|year)(?: s)?(?: \w+){0,3} (?:with|to|and|versus|vs) (?:the |my )?(?:last|this|previous)
(?:any|some) (?:changes|change|difference) in | what (?:has |have )?happened (?:in|during|since|between|over)
what did i (?:achieve|accomplish|learn|spend|manage) | who do i (?:\w+ )*(?:most|least)
what (?:topics?|things?|people|themes?|places|are my most|are the most|have i been)
(?:the most|most|least) (?:this|last) (?:year|month|week) | (?:best|worst) (?:\w+ )?(?:so far|ever|month|week|year)
(?:evaluate|assess|reflect on|review) (?:how|my|all|our|the last|the past) | report on (?:my|our)
do i (?:usually|typically|normally|tend to) | based on (?:what|everything|all)
(?:that|which) i (?:have )?(?:listed|mentioned|named)
""")
ANALYTICAL_OPENING: Final = re.compile(r"(?:everything|all) (?:about|on|i|you|we)\b")
OVER_TIME: Final = phrase_pattern(r"""
most | least | hardest | easiest | happiest | saddest | busiest | biggest | highlights? | low points
milestones? | habits? | routines? | lately | regularly | usually | typically | turning points? | main events
keeps? \w+ing | comes? up | conclusions? | diary | journal | past and present | looking back | month by month
break down | breakdown | by category | in what ways | up to now | until now | our (?:talks|chats) | conversations?
(?:last|past|previous) (?:few|two|three|four|five|six|ten|\d+) (?:years|months|weeks)
(?:more|less) (?:often|frequently) | (?:do|does) (?:my|our)(?: \w+){1,5} (?:before|after|when|in|during|on)
recently | these days | nowadays | over the years | all (?:my|our|the|places|people|of)
every \w+ (?:that|i|we|you) | ever (?:mentioned|said|told) | (?:big|whole|full|complete) picture | profile of
portrait of | (?:story|history) of (?:my|our) | come after | go(?:es)? (?:up|down) | before and after
(?:daily|weekly|monthly|yearly|annual|per (?:day|week|month|year)|each (?:day|week|month|year))
(?:table|chart|graph|map) of
how (?:was|did|is|were|went) (?:my|our) (?:day|week|month|year|winter|spring|summer|autumn|fall|training|progress)
what (?:have|has)(?: \w+){1,5} \w+ed | coming along | compared (?:to|with) | over and over | all along | the whole \w+
(?:trips|visits|meetings|purchases|expenses|workouts|runs|conflicts|arguments|events) (?:of|in|since|with)
(?:has|have) (?:my|our|i|we|he|she|they)(?: \w+){0,4} (?:(?!ever|never|after|over)\w+er|more|less|better|worse)
after the move | with you | you notice | between (?:\w+ ){1,3}and (?:me|us|\w+) over
changed? | developed? | evolved? | improved? | grew | grown | varied | shifted | increased? | decreased?
how (?:many|much)\b.* (?:since|(?:have|did|do) (?:i|we)|has|a week|a month|a year|per|this|last|in)(?!\w| have$)
""")
"""Signs of a question over everything that is remembered. They count only where something is asked."""
MEMBERS: Final = re.compile(
    r"(?:which|what|whose) (?:\w+ )?\w+(?:s|people) (?:have|has|had|did|were) (?:i|we)\b|who are\b|"
    r"(?:list|name) (?:my|our|the)\b|what are (?:all )?the (?:things|people|places)\b"
)
"""Openings of questions whose answer needs every member."""
SHOWING: Final = (
    *("show", "list", "name", "give", "tell", "describe", "make", "put", "collect", "all ", "count", "how", "draw"),
    "walk me",
)
OF_A_TIME: Final = (
    *("what did", "what have", "what were", "what was i", "what happened", "which", "how did", "how was", "how were"),
    *("tell", "show", "describe", "give"),
)
"""Openings after which a span of a month or more is asked about as a whole."""
ANALYTICAL_ELSEWHERE: Final = phrase_pattern(r"""
fass(?:e)? (?:\w+ )*zusammen | zusammenfass\w+ | überblick | übersicht | was weißt du (?:alles )?(?:über|von)
alles was | bisher | bis jetzt | jemals | (?:zeig|nenn|gib) mir alles? | alle \w+ (?:die|an denen|von)
unsere\w* gespräche
am (?:meisten|häufigsten) | in den letzten | dieses jahr | letztes jahr | wie viele | wie oft | wie hat sich
entwickel\w+ | verändert | durchschnittlich | im durchschnitt | insgesamt | analysiere | statistik\w* | muster
tendenz\w* | résume | résumé | tout ce que | que sais tu (?:de|sur) | combien de | nos conversations
as tu retenu | le plus souvent | cette année | en moyenne | évolué | analyse | sabes de mí | cuántos | cuántas
hasta ahora | hemos | jusqu (?:ici|à) | avons nous | finora | abbiamo | até agora | más a menudo | este año
nuestras conversaciones | resume | resumen | resúmeme | todo lo que | qué sabes de
en promedio | analiza | ha cambiado | (?:cosa|che) sai (?:di|su) | riassumi | riassunto | tutto quello che
tutto ciò che | quanti | quante | quest anno | in media | resuma | resumo | tudo o que | quantas vezes
vad vet du | sammanfatta | hur ofta | wat weet je | vat (?:\w+ )*samen | alles wat je | hoe vaak
что ты (?:обо мне )?знаешь | подведи итог\w* | резюмируй | всё что | как часто | сколько раз
""")
ANALYTICAL_UNSEGMENTED: Final = re.compile(
    "总结|總結|概括|归纳|统计|分析|所有|一切|多少|几次|几个|最近|今年|去年|这个月|趋势|これまで|一番|まとめ|要約|統計|"
    "すべて|全部|何回|傾向|요약|정리해|분석|모두|몇 번"
)

# --- complex: several things, a choice, a piece of work

COMPLEX: Final = phrase_pattern(r"""
compare | comparison | compared | versus | vs | pros and cons | advantages | trade ?offs? | differences? between
difference is | rank | prioriti[sz]e | which of | or (?:should|is|do|would|rather|better) | whether to | both
(?:better|worse|cheaper|closer|faster|safer|healthier|bigger|smaller|(?:more|less) \w+) (?:for|than|or)
which(?: \w+){1,4} (?:is|are) (?:better|cheaper|best|closer|closest|more|worse|safer|healthier)
step by step | steps? | walk me through | guide me | instructions
(?:plan|plans|planning|itinerary|schedule|organi[sz]e|packing list|checklist|roadmap|strategy|prepare) \w+
(?:brainstorm|design|debug|refactor|migrate|optimi[sz]e|implement|troubleshoot) \w+
(?:draft|redraft|rewrite|compose|proofread) \w+
(?:write|create|make|build|generate|prepare|give) (?:\w+ ){0,4}(?:letter|e ?mails?|mail|reply|message|essay|article)
(?:write|create|make|build|generate|prepare|give) (?:\w+ ){0,4}(?:speech|plan|proposal|post|program|programme|list)
(?:write|create|make|build|generate|prepare|give) (?:\w+ ){0,4}(?:menu|budget|agenda|presentation|function|script)
(?:write|create|make|build|generate|prepare|give) (?:\w+ ){0,4}(?:schedule|itinerary|overview|guide|notes)
help me (?:to )?(?:plan|decide|choose|write|prepare|understand|figure|find|with|organi[sz]e|pick|think)
(?:what|how) (?:should|could|can|do|would) (?:i|we) (?:\w+ )?(?:do|handle|deal|approach|proceed|prepare|need)
do you think i should | should (?:i|we)(?: \w+)+ or | how would | how could | how might
if (?:i|we|you|he|she|they|it|the|my)\b.* (?:can|could|should|would|will|does|do|what|how)
first\b.*\b(?:then|finally|second) | then (?:suggest|draft|write|tell|make|send|compare|list) | keeping in mind
taking into account | considering | that (?:fits|suits|go with|goes with|match|matches) | based on
explain (?:how|why|the) | each (?:say|said|of) | why did (?:we|i)(?: \w+)+ over
(?:give|need|have|any|some|got) (?:me |us )?(?:\w+ )?(?:ideas?|tips|suggestions?|advice|examples|recommendations)
what now | what next | any thoughts | what do you think | pros | cons | trade
suggest(?: \w+)* (?:for (?:\w+ )?people|and)
(?:two|three|four|five|\d) (?:days|weeks|options|ideas|alternatives|laptops|gifts|things) (?:in|for|with|that|to)
""")
JUDGING: Final = phrase_pattern(r"""
^(?:what|which|who|where|when|how|why)\b.{0,60}?\b(?:should|would|could|might|can (?:i|we)|makes? sense|given)
should (?:i|we) | would it | would you | is it (?:\w+ )?(?:better|smarter|wiser|worth|ok|okay|safe|smart|wise)
worth it | given (?:my|our|what|that|her|his|the) | in my place | best way | cheapest | fastest | ideal | risks? of
enough to | steps? (?:are|is) left | good (?:present|gift|idea|time|way) | another | alternatives? | options?
""")
MORE_QUESTIONS: Final = phrase_pattern(r"""
(?:and|but|or|also|then)(?: also| then)? (?:who|whom|whose|what|when|where|which|why|how|do|does|did|is|are|am)
(?:and|but|or|also|then)(?: also| then)? (?:can|could|should|will|would|has|have|tell me|suggest|draft|write|give me)
(?:and|but|or|also|then)(?: also| then)? (?:an idea|something)
""")
TASKS: Final = word_set("""
adapt advise answer argue arrange assemble balance book brainstorm break budget build calculate check choose combine
come
compare compose compute contrast convince create critique debug decide derive design develop draft draw edit estimate
evaluate expand explain extract figure find fix generate group guide help imagine implement improve invent investigate
look make map match merge migrate narrow optimise optimize order organise organize outline persuade pick plan prepare
pretend propose prove put rank recommend redraft refactor reorganise reorganize reply research respond rewrite
schedule select shorten simplify simulate sketch solve sort structure suggest talk teach think turn walk weigh work
write
""")
"""A request that opens with one of these is work. What the rules do not know as a request is none."""
EASY_TASKS: Final = re.compile(
    r"(?:(?:translate|write (?:me )?an? (?:haiku|poem|joke)|tell me an? (?:joke|story))\b.*|"
    r"(?:suggest|recommend|find|look up|check)(?: \w+){1,3}|answer (?:me )?in \w+|(?:book|order) (?:is|was)\b.*)"
)
COMPLEX_ELSEWHERE: Final = phrase_pattern(r"""
plane | planen | plan | vergleich\w* | vor und nachteile | unterschied\w* | soll(?:te)? ich | schreibe? | erstelle?
hilf mir | entwirf | entwerfen | bereite | finde | such | stell | berechne | was würdest | was soll | was sollte
wohin sollen | schritt für schritt | und (?:wer|was|wann|wo|wie|warum|welche\w*) | oder | besser | compare
comparez | planifier | planifie | aide moi | avantages | inconvénients | différence | dois je | devrais je | écris
rédige | prépare | trouve | propose | explique | calcule | convient | que devrais je | compara | prepara
encuentra | propón | calcula | explica | redacta | conviene | qué debería | cuál | planea | planifica | ayúdame
ventajas | diferencia | debería | escribe | pianifica | aiutami | confronta | vantaggi | differenza | dovrei
quale | scrivi | planeje | ajuda me | vantagens | сравни | помоги | составь | напиши | стоит ли
""")
COMPLEX_UNSEGMENTED: Final = re.compile(
    "计划|规划|比较|对比|优缺点|区别|帮我|应该.*还是|步骤|計画|比較|違い|手伝って|べき|계획|비교|도와"
)
