"""The rules for other languages: German, French, Spanish, Italian, and plain overrides in some more. Text is folded."""

from typing import Final

from context0.trust.rule import Rule, rule

RULES: Final[tuple[Rule, ...]] = (
    # German
    rule(
        "override",
        "ignorier|vergiss|missacht|anweisung",
        r"\b(?:ignoriere?|vergiss|missachte|umgehe|verwirf)\b~\b(?:deine?n?|alle|bisherigen?|vorherigen?|obigen?|"
        r"fruheren?|"
        r"dein)\b~\b(?:anweisungen|regeln|vorgaben|richtlinien|systemprompt|befehle)\b|\bdein systemprompt\b|"
        r"\banweisungen gelten nicht mehr\b|\bab sofort bist du\b|\bassistent ohne (?:einschrankungen|regeln|"
        r"grenzen)\b",
    ),
    rule(
        "delayed_trigger",
        "immer wenn|sobald|jedes mal|falls|wenn ",
        r"\b(?:immer wenn|sobald|jedes mal,? wenn|wenn|falls)\b~\b(?:jemand|der nutzer|der benutzer|nutzer|man)\b~, "
        r"(?:dann |immer )?(?:antworte|sage?|empfiehl|nenne|rufe?|sende|fuge)\b",
        own=False,
    ),
    rule(
        "concealment",
        "nutzer|benutzer|anwender",
        r"\b(?:sage?|verrate|erzahle?) (?:dem|der|den) (?:nutzer|benutzer|anwender)\w{0,3} nicht|\b(?:dem|"
        r"den) (?:nutzer|benutzer)\b~"
        r"\bverschweig",
    ),
    rule(
        "exfiltration",
        "http|![",
        r"\b(?:sende?|schicke?|ubertrage|hange?|leite)\b~\b(?:nutzers?|benutzers?|adresse|daten|passwort|"
        r"gesprach)\b~https?://",
    ),
    rule(
        "tool_call",
        "werkzeug|funktion|tool",
        r"\brufe?\b~\b(?:werkzeug|funktion|tool)\b~\bauf\b|\brufe? (?:das werkzeug|die funktion)\b",
        own=False,
    ),
    rule(
        "memory_command", "merke|speicher", r"\b(?:merke?|speichere?)\b~\b(?:du musst|dauerhaft|fur immer)\b", own=False
    ),
    rule(
        "foreign_data",
        "anderen",
        r"\b(?:zeige?|nenne|liste|gib)\b~\b(?:aller|alle|der|die) anderen (?:benutzer|nutzer|kunden)\b",
    ),
    # French
    rule(
        "override",
        "ignore|oubli|tiens pas compte|prompt",
        r"\b(?:ignore[zr]?|oublie[zr]?|ne tiens pas compte|ne tenez pas compte)\b~\b(?:toutes|tes|vos|des|ton|"
        r"votre)\b~\b(?:instructions|"
        r"consignes|regles|directives|prompt)\b|\btu es (?:maintenant )?un assistant sans\b",
    ),
    rule(
        "delayed_trigger",
        "chaque fois|des que|quand|lorsqu|si l'utilisateur",
        r"\b(?:chaque fois qu|des qu|quand|lorsqu|si)\w{0,2}'? ?~\b(?:quelqu'un|l'utilisateur|on)\b~, (?:alors |"
        r"toujours )?(?:reponds?|"
        r"dis|recommande|appelle|ajoute|envoie)\b",
        own=False,
    ),
    rule(
        "concealment",
        "utilisateur",
        r"\bne (?:dis|dites) (?:jamais |pas |rien )?a l'utilisateur\b|\bn'informe[zr]? pas l'utilisateur\b",
    ),
    rule(
        "exfiltration",
        "http",
        r"\b(?:envoie|transmets|poste|ajoute)\b~\b(?:utilisateur|adresse|donnees|conversation|"
        r"mot de passe)\b~https?://",
    ),
    rule("tool_call", "outil|fonction", r"\b(?:appelle|execute|lance)\b~\b(?:l'outil|la fonction)\b", own=False),
    rule(
        "memory_command", "memorise|retiens|souviens", r"\b(?:memorise|retiens|souviens-toi)\b~\btu dois\b", own=False
    ),
    rule(
        "foreign_data",
        "autres",
        r"\b(?:montre|affiche|liste|donne)\b~\b(?:tous les|des) autres (?:utilisateurs|clients)\b",
    ),
    # Spanish
    rule(
        "override",
        "ignor|olvid|no hagas caso|prompt",
        r"\b(?:ignora|ignore|olvida|olvide|no hagas caso de)\b~\b(?:todas|tus|las|el|sus)\b~\b(?:instrucciones|"
        r"reglas|normas|directrices|"
        r"prompt)\b~\b(?:anteriores|previas|y|del sistema|responde)\b|\bolvida tus (?:reglas|instrucciones|normas)\b|"
        r"\beres un asistente sin\b",
    ),
    rule(
        "delayed_trigger",
        "cada vez|cuando|si el usuario|en cuanto",
        r"\b(?:cada vez que|cuando|si|en cuanto)\b~\b(?:alguien|el usuario|usuario)\b~, (?:entonces |"
        r"siempre )?(?:responde|di|recomienda|"
        r"llama|agrega|envia)\b",
        own=False,
    ),
    rule("concealment", "usuario", r"\bno (?:le )?(?:digas|informes|cuentes)\b~\bal usuario\b"),
    rule(
        "exfiltration",
        "http",
        r"\b(?:envia|manda|publica|incluye)\b~\b(?:usuario|direccion|datos|conversacion|contrasena)\b~https?://",
    ),
    rule(
        "tool_call",
        "herramienta|funcion",
        r"\b(?:llama|ejecuta|invoca) a? ?la (?:herramienta|funcion)\b",
        own=False,
    ),
    rule(
        "memory_command",
        "recuerda|memoriza|guarda",
        r"\b(?:recuerda|memoriza|guarda)\b~\b(?:debes|tienes que)\b",
        own=False,
    ),
    rule(
        "foreign_data",
        "demas|otros",
        r"\b(?:muestra|lista|ensena|da)\b~\b(?:los demas|los otros|otros) (?:usuarios|clientes)\b",
    ),
    # Italian
    rule(
        "override",
        "ignora|dimentica|non considerare|prompt",
        r"\b(?:ignora|dimentica|non considerare)\b~\b(?:tutte|tue|le|il|tuoi)\b~\b(?:istruzioni|regole|direttive|"
        r"prompt)\b~\b(?:precedenti|di "
        r"prima|e|di sistema|rispondi)\b|\bdimentica le tue (?:regole|istruzioni)\b|\bsei un assistente senza\b",
    ),
    rule(
        "delayed_trigger",
        "ogni volta|quando|appena|se l'utente",
        r"\b(?:ogni volta che|quando|appena|se)\b~\b(?:qualcuno|l'utente|utente)\b~, (?:allora |"
        r"sempre )?(?:rispondi|di'|consiglia|"
        r"raccomanda|chiama|aggiungi|invia)\b",
        own=False,
    ),
    rule("concealment", "utente", r"\bnon (?:dire|informare|dirlo)\b~\bl?l?'utente\b"),
    rule(
        "exfiltration",
        "http",
        r"\b(?:invia|manda|pubblica|inserisci)\b~\b(?:utente|indirizzo|dati|conversazione|password)\b~https?://",
    ),
    rule("tool_call", "strumento|funzione", r"\b(?:chiama|esegui|invoca) (?:lo strumento|la funzione)\b", own=False),
    rule("memory_command", "ricorda|memorizza", r"\b(?:ricorda|memorizza)\b~\b(?:devi)\b", own=False),
    rule("foreign_data", "altri", r"\b(?:mostra|elenca|dammi)\b~\b(?:altri|gli altri) (?:utenti|clienti)\b"),
    # more languages, overrides only
    rule(
        "override",
        "ignore todas|esqueca|negeer|vergeet|zignoruj|zapomnij|yok say|onceki|ignorera|glom",
        r"\bignore todas as instrucoes\b|\besqueca as suas (?:regras|instrucoes)\b|\bnegeer alle (?:vorige|"
        r"eerdere) instructies\b|"
        r"\bvergeet je (?:regels|instructies)\b|\bzignoruj wszystkie (?:poprzednie )?(?:instrukcje|polecenia)\b|"
        r"\bzapomnij o (?:wszystkich )?(?:zasadach|instrukcjach)\b|\bonceki tum talimatlari yok say\b|"
        r"\bignorera alla (?:tidigare|foregaende) instruktioner\b|\bglom (?:alla )?dina regler\b",
    ),
    rule(
        "override",
        "инструкц|правил",
        r"\b(?:игнорируи|игнорируите|забудь|забудьте)\b~\b(?:инструкции|правила|указания)\b",
    ),
    rule(
        "override", "指令|指示|规则|規則|指令", r"(?:忽略|无视|無視|忘记|忘れ).{0,12}(?:指令|规则|指示)|指示.{0,8}無視"
    ),
)
