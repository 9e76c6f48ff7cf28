/* A number is written in the lists' mixed radix; what goes beyond the last list is said as a type. */
#include "synth/vocabulary/words.h"

#include <stdio.h>
#include <string.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* ---- lists ---- */
static const char *const ORGANS[] = {
    "cardiac",    "coronary", "aortic",    "venous",     "pulmonary", "bronchial",  "pleural",    "laryngeal",
    "nasal",      "hepatic",  "biliary",   "pancreatic", "splenic",   "gastric",    "duodenal",   "jejunal",
    "colonic",    "rectal",   "renal",     "ureteral",   "vesical",   "urethral",   "prostatic",  "testicular",
    "ovarian",    "uterine",  "cervical",  "mammary",    "thyroid",   "adrenal",    "pituitary",  "cerebral",
    "cerebellar", "spinal",   "meningeal", "cranial",    "retinal",   "corneal",    "lenticular", "auditory",
    "vestibular", "dental",   "gingival",  "lingual",    "salivary",  "esophageal", "dermal",     "epidermal",
    "follicular", "ungual",   "muscular",  "tendinous",  "articular", "vertebral",  "femoral",    "tibial",
    "humeral",    "radial",   "carpal",    "pelvic",     "costal",    "sternal",    "lymphatic",  "medullary",
    "vascular",   "arterial", "capillary", "peritoneal", "omental",   "placental",  "umbilical",  "thymic"};
static const char *const KINDS[] = {"inflammation", "fibrosis",     "stenosis",    "infarction", "neoplasm",
                                    "hyperplasia",  "atrophy",      "infection",   "edema",      "ulcer",
                                    "rupture",      "calculus",     "dysfunction", "necrosis",   "thrombosis",
                                    "dystrophy",    "malformation", "cyst",        "hemorrhage", "injury"};
static const char *const ADJECTIVES[] = {"chronic", "acute",   "congenital", "recurrent", "idiopathic", "malignant",
                                         "benign",  "diffuse", "focal",      "allergic",  "secondary",  "latent"};
static const char *const PARTS[] = {"duct",     "wall",      "lobe",    "artery", "vein",   "nerve", "capsule",
                                    "membrane", "sphincter", "lumen",   "cortex", "sinus",  "valve", "ligament",
                                    "node",     "papilla",   "septum",  "fossa",  "plexus", "gland", "cartilage",
                                    "sheath",   "bulb",      "isthmus", "apex",   "hilum"};
static const char *const POSITIONS[] = {"left",  "right", "anterior", "posterior",
                                        "upper", "lower", "medial",   "lateral"};
static const char *const ONSETS[] = {"Ba", "Be", "Bra", "Ce", "Cli", "Da",  "Do", "Fe", "Flu", "Ga", "Gli", "Ke",
                                     "La", "Lo", "Mi",  "Ne", "Or",  "Pra", "Re", "Sa", "Te",  "Vo", "Xe",  "Zu"};
static const char *const MIDDLES[] = {"bra", "ce", "cli", "da", "di",  "fe", "go", "li",
                                      "lo",  "ma", "me",  "ni", "pro", "ra", "ta", "vu"};
static const char *const CLASSES[] = {"dine", "fenol", "lamide", "mycin",   "pril",    "statin", "tide",
                                      "vir",  "xaban", "zole",   "cillin",  "olol",    "sartan", "gliptin",
                                      "mab",  "tinib", "azepam", "oxetine", "triptan", "caine"};
static const char *const BRAND_ENDS[] = {"tra",  "lix", "vance", "zen", "mira", "dex",  "nova", "quil",
                                         "sta",  "ryl", "pax",   "tor", "vexa", "lune", "brio", "cor",
                                         "dyne", "fen", "gard",  "lia", "mune", "pro"};
static const char *const GROUP_KINDS[] = {
    "Inflammatory", "Degenerative", "Metabolic",   "Infectious", "Neoplastic", "Traumatic",  "Functional", "Hereditary",
    "Toxic",        "Nutritional",  "Obstructive", "Immune",     "Vascular",   "Behavioral", "Perinatal",  "Endocrine"};
static const char *const GROUPS[] = {"disorders",     "diseases",      "lesions",  "conditions", "syndromes",
                                     "abnormalities", "complications", "findings", "symptoms",   "disturbances",
                                     "anomalies",     "deficiencies",  "effects",  "episodes",   "reactions",
                                     "states",        "defects",       "injuries", "infections", "tumors"};
static const char *const OPERATIONS[] = {"excision",  "repair",          "drainage",   "inspection",  "bypass",
                                         "dilation",  "destruction",     "insertion",  "removal",     "reattachment",
                                         "fusion",    "release",         "resection",  "restriction", "supplement",
                                         "transfer",  "transplantation", "extraction", "division",    "extirpation",
                                         "occlusion", "replacement",     "reposition", "revision"};
static const char *const TECHNIQUES[] = {
    "Diagnostic", "Therapeutic", "Endoscopic", "Robotic", "Ultrasonic", "Microsurgical", "Laser",   "Manual",
    "Staged",     "Emergency",   "Elective",   "Guided",  "Partial",    "Complete",      "Radical", "Limited"};
static const char *const SERVICES[] = {"imaging",    "surgery", "anesthesia", "evaluation",
                                       "laboratory", "therapy", "monitoring", "counseling"};
static const char *const SETTINGS[] = {"Outpatient", "Inpatient",  "Ambulatory", "Home",
                                       "Intensive",  "Preventive", "Consulting", "Remote"};
static const char *const AGENTS[] = {"agents", "preparations", "compounds", "extracts", "substances", "derivatives"};
static const char *const SIGNALS[] = {"signal",  "ion",     "lipid",    "protein",  "nucleotide", "glucose",
                                      "calcium", "peptide", "membrane", "receptor", "enzyme",     "vesicle"};
static const char *const PROCESSES[] = {"transport",  "binding",      "assembly",  "synthesis", "degradation",
                                        "regulation", "localization", "secretion", "folding",   "cleavage",
                                        "repair",     "activation",   "response",  "uptake",    "exchange",
                                        "export",     "oxidation",    "coupling",  "sorting",   "turnover"};
static const char *const CONSONANTS[] = {"B", "C", "D", "F", "G", "H", "K", "L", "M",
                                         "N", "P", "R", "S", "T", "V", "X", "Z"};
static const char *const DIGITS[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

/* ---- names ---- */
enum { MOST_LISTS = 6 };
struct grammar {
    int n;
    struct {
        const char *const *words;
        int n, step;        /* step: at which the list's digit stands, 0 the one that changes from number to number */
        const char *before; /* between the word and the one before it */
    } lists[MOST_LISTS];    /* as they are written */
};
#define LIST(list, step, before)                                                                                       \
    { list, COUNT(list), step, before }
static const struct grammar GRAMMARS[] = {
    [NAME_CONDITION] = {3, {LIST(ADJECTIVES, 0, ""), LIST(ORGANS, 2, " "), LIST(KINDS, 1, " ")}},
    [NAME_DRUG] = {3, {LIST(ONSETS, 0, ""), LIST(MIDDLES, 1, ""), LIST(CLASSES, 2, "")}},
    [NAME_SITE] = {3, {LIST(POSITIONS, 0, ""), LIST(ORGANS, 2, " "), LIST(PARTS, 1, " ")}},
    [NAME_GROUP] = {2, {LIST(GROUP_KINDS, 0, ""), LIST(GROUPS, 1, " ")}},
    [NAME_OPERATION] = {2, {LIST(TECHNIQUES, 1, ""), LIST(OPERATIONS, 0, " ")}},
    [NAME_SERVICE] = {2, {LIST(SETTINGS, 1, ""), LIST(SERVICES, 0, " ")}},
    [NAME_BRAND] = {3, {LIST(ONSETS, 1, ""), LIST(MIDDLES, 2, ""), LIST(BRAND_ENDS, 0, "")}},
    [NAME_AGENT_KIND] = {2, {LIST(ORGANS, 0, ""), LIST(AGENTS, 1, " ")}},
    [NAME_GENE] = {6,
                   {LIST(CONSONANTS, 3, ""), LIST(CONSONANTS, 4, ""), LIST(CONSONANTS, 5, ""), LIST(DIGITS, 2, ""),
                    LIST(DIGITS, 1, ""), LIST(DIGITS, 0, "")}},
    [NAME_PROCESS] = {3, {LIST(ORGANS, 2, ""), LIST(SIGNALS, 0, " "), LIST(PROCESSES, 1, " ")}},
};

void made_name_put(enum name_kind kind, int64_t number, char name[MADE_NAME_BYTES]) {
    const struct grammar *g = &GRAMMARS[kind];
    int digit[MOST_LISTS] = {0};
    for (int step = 0; step < g->n; step++)
        for (int i = 0; i < g->n; i++)
            if (g->lists[i].step == step) {
                digit[i] = (int)(number % g->lists[i].n);
                number /= g->lists[i].n;
            }
    int n = 0;
    for (int i = 0; i < g->n; i++)
        n += snprintf(name + n, (size_t)(MADE_NAME_BYTES - n), "%s%s", g->lists[i].before, g->lists[i].words[digit[i]]);
    if (number > 0) snprintf(name + n, (size_t)(MADE_NAME_BYTES - n), " type %lld", (long long)number + 1);
}

/* ---- texts ---- */
void made_text_add(struct made_text *text, const char *words) {
    int n = (int)strlen(words), blank = text->n > 0 && words[0] != ',';
    if (text->n + blank + n >= MADE_TEXT_BYTES) return;
    if (blank) text->bytes[text->n++] = ' ';
    memcpy(text->bytes + text->n, words, (size_t)n + 1);
    text->n += n;
}

static int has_word(const struct made_text *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = text->n ? text->bytes : NULL; at && (at = strstr(at, word)); at += n)
        if ((at == text->bytes || at[-1] == ' ') && (at[n] == 0 || at[n] == ' ' || at[n] == ',')) return 1;
    return 0;
}

void made_text_add_missing(struct made_text *text, const char *words) {
    char word[MADE_NAME_BYTES];
    while (*words) {
        size_t n = strcspn(words, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, words);
        if (!has_word(text, word)) made_text_add(text, word);
        words += n + (words[n] == ' ');
    }
}

/* ---- qualifiers ---- */
static const char *const CAUSES[] = {
    "due to bacteria",  "due to virus",     "due to trauma",      "with obstruction",    "without complication",
    "with perforation", "induced by drugs", "of familial origin", "following procedure", "of unknown cause",
    "due to radiation", "with abscess",     "due to toxin",       "with ischemia",       "due to deficiency",
    "with seizures",    "with gangrene",    "due to fungus",      "with effusion",       "with anemia",
    "due to parasite",  "with fever",       "with pregnancy",     "due to aging"};
static const char *const SIDES[] = {"of left side",    "of right side",   "bilateral",         "of proximal part",
                                    "of distal part",  "of central part", "of multiple sites", "of single site",
                                    "of deep layer",   "of outer layer",  "of upper segment",  "of lower segment",
                                    "of middle third", "of junction",     "of border",         "of overlapping sites",
                                    "of base",         "of tip",          "of shaft",          "of neck"};
static const char *const COURSES[] = {"mild",
                                      "moderate",
                                      "severe",
                                      "in remission",
                                      "in relapse",
                                      "intractable",
                                      "progressive",
                                      "persistent",
                                      "transient",
                                      "early onset",
                                      "late onset",
                                      "with delayed healing",
                                      "without delayed healing",
                                      "stable",
                                      "unstable",
                                      "controlled",
                                      "uncontrolled",
                                      "refractory",
                                      "residual",
                                      "healed"};
static const char *const ENCOUNTERS[] = {", initial encounter",   ", subsequent encounter", ", sequela",
                                         ", follow-up encounter", ", routine encounter",    ", referred encounter",
                                         ", emergency encounter", ", repeated encounter",   ", planned encounter",
                                         ", unplanned encounter"};
static const char *const STAGES[] = {"stage one",      "stage two",          "stage three", "stage four",
                                     "grade low",      "grade intermediate", "grade high",  "class limited",
                                     "class extended", "class disseminated"};
static const char *const EVIDENCE[] = {"confirmed by biopsy", "confirmed by imaging", "confirmed by serology",
                                       "suspected",           "ruled out by imaging", "by history",
                                       "by family history",   "detected by screening"};
static const char *const APPROACHES[] = {"open approach",   "percutaneous approach", "endoscopic approach",
                                         "natural opening", "external approach",     "combined approach"};
static const char *const DEVICES[] = {"with drainage device", "with synthetic substitute", "without device",
                                      "with tissue graft",    "with monitoring electrode", "with intraluminal stent",
                                      "with fixation plate",  "with feeding tube",         "with infusion pump",
                                      "with spacer",          "with contraceptive ring",   "with hearing aid"};
static const char *const PURPOSES[] = {"for diagnosis",  "for palliation", "for reconstruction", "for prevention",
                                       "for monitoring", "for biopsy",     "for decompression",  "for implantation"};
static const char *const STRENGTHS[] = {
    "5 mg",   "10 mg",   "20 mg",         "25 mg",       "40 mg",       "50 mg",       "75 mg",   "100 mg",
    "150 mg", "200 mg",  "250 mg",        "300 mg",      "400 mg",      "500 mg",      "600 mg",  "750 mg",
    "850 mg", "1000 mg", "0.5 mg per ml", "1 mg per ml", "2 mg per ml", "4 mg per ml", "12.5 mg", "37.5 mg"};
static const char *const FORMS[] = {
    "oral tablet",       "oral capsule",       "injectable solution", "topical cream", "extended release tablet",
    "oral suspension",   "rectal suppository", "ophthalmic drops",    "nasal spray",   "inhalation powder",
    "transdermal patch", "chewable tablet",    "vaginal ring",        "otic solution", "buccal film",
    "prefilled syringe"};
static const char *const PACKAGES[] = {", 30 tablets in bottle",  ", 60 tablets in bottle",  ", 90 tablets in bottle",
                                       ", 100 tablets in bottle", ", 500 tablets in bottle", ", 10 blisters in carton",
                                       ", 1 vial in carton",      ", 5 vials in carton",     ", 25 vials in carton",
                                       ", 1 tube in carton",      ", 12 bottles in case",    ", 24 bottles in case"};
static const char *const ACTIONS[] = {
    "stimulants", "blockers",    "inhibitors", "agonists",    "antagonists", "modulators", "supplements", "enzymes",
    "hormones",   "sera",        "vaccines",   "antiseptics", "diuretics",   "sedatives",  "relaxants",   "anesthetics",
    "antidotes",  "diagnostics", "vitamins",   "minerals",    "emollients",  "steroids",   "chelators",   "tonics"};
static const char *const CHEMISTRIES[] = {
    "plain",     "in combinations", "synthetic",        "natural",         "of short duration", "of long duration",
    "selective", "nonselective",    "for systemic use", "for topical use", "for children",      "for inhalation",
    "cationic",  "anionic",         "aromatic",         "cyclic",          "halogenated",       "sulfonated",
    "organic",   "inorganic",       "liposomal",        "pegylated",       "racemic",           "other"};

static const struct {
    const char *const *words;
    int n;
} QUALIFIERS[] = {
#define QUALIFIER(number, list) [number] = {list, COUNT(list)}
    QUALIFIER(QUALIFIER_CAUSE, CAUSES),        QUALIFIER(QUALIFIER_SIDE, SIDES),
    QUALIFIER(QUALIFIER_COURSE, COURSES),      QUALIFIER(QUALIFIER_ENCOUNTER, ENCOUNTERS),
    QUALIFIER(QUALIFIER_STAGE, STAGES),        QUALIFIER(QUALIFIER_EVIDENCE, EVIDENCE),
    QUALIFIER(QUALIFIER_APPROACH, APPROACHES), QUALIFIER(QUALIFIER_DEVICE, DEVICES),
    QUALIFIER(QUALIFIER_PURPOSE, PURPOSES),    QUALIFIER(QUALIFIER_STRENGTH, STRENGTHS),
    QUALIFIER(QUALIFIER_FORM, FORMS),          QUALIFIER(QUALIFIER_PACKAGE, PACKAGES),
    QUALIFIER(QUALIFIER_ACTION, ACTIONS),      QUALIFIER(QUALIFIER_CHEMISTRY, CHEMISTRIES)};

void made_text_qualify(struct made_text *text, const enum made_qualifier kinds[2], int64_t number) {
    char variant[32];
    for (int k = 0; k < 2 && kinds[k] != QUALIFIER_NONE; k++) {
        int n = QUALIFIERS[kinds[k]].n;
        if (k > 0 && number-- == 0) return;
        made_text_add(text, QUALIFIERS[kinds[k]].words[number % n]);
        number /= n;
    }
    if (number == 0) return;
    snprintf(variant, sizeof variant, "variant %lld", (long long)number + 1);
    made_text_add(text, variant);
}
