#!/usr/bin/env python3
"""Makes codes.tsv and kg.csv, the sample that the quickstart and the tests run on.

Everything below was written by hand from public facts: official titles of codes, established indications, drug targets,
symptoms, genes, and which disease is a kind of which. Run it to make both files again, byte for byte.
"""
import csv
import os

HERE = os.path.dirname(os.path.abspath(__file__))

# ---- the graph: diseases (name: parent, phenotypes, genes, anatomy) ----
DISEASES = """
disease of metabolism | | | |
endocrine system disease | | | | endocrine gland
diabetes mellitus | disease of metabolism; endocrine system disease | hyperglycemia; polyuria; polydipsia; fatigue; weight loss; blurred vision | INS; HNF1A; GCK | pancreas; blood
type 1 diabetes mellitus | diabetes mellitus | hyperglycemia; ketonuria; polyuria; weight loss; ketoacidosis; fatigue | INS; HLA-DQB1; HLA-DRB1; PTPN22; CTLA4; IL2RA | pancreas
type 2 diabetes mellitus | diabetes mellitus | hyperglycemia; insulin resistance; obesity; polyuria; fatigue; blurred vision; polydipsia | TCF7L2; PPARG; KCNJ11; SLC30A8; INS; GCK; IRS1 | pancreas; liver; adipose tissue; skeletal muscle
gestational diabetes | diabetes mellitus | hyperglycemia; polyuria | GCK; MTNR1B; TCF7L2 | placenta; pancreas
diabetic nephropathy | type 2 diabetes mellitus; kidney disease | proteinuria; edema; hypertension; decreased glomerular filtration rate | ACE; AGT; VEGFA | kidney
diabetic retinopathy | type 2 diabetes mellitus; retinal disease | blurred vision; visual loss; retinal hemorrhage | VEGFA; EPO; AKR1B1 | retina; eye
diabetic neuropathy | type 2 diabetes mellitus; peripheral neuropathy | paresthesia; pain; numbness; muscle weakness | AKR1B1; ACE | peripheral nerve
diabetic ketoacidosis | type 1 diabetes mellitus | ketoacidosis; nausea; vomiting; dehydration; abdominal pain | INS | blood
hypoglycemia | disease of metabolism | sweating; tremor; confusion; seizure | INS; GCK; ABCC8; KCNJ11 | blood
obesity | disease of metabolism | weight gain; insulin resistance; fatigue | LEP; LEPR; MC4R; FTO; POMC | adipose tissue
hyperlipidemia | disease of metabolism | hypercholesterolemia; hypertriglyceridemia; xanthoma | LDLR; APOB; APOE; PCSK9; LPL | liver; blood
familial hypercholesterolemia | hyperlipidemia | hypercholesterolemia; xanthoma; angina pectoris | LDLR; APOB; PCSK9 | liver; blood
gout | disease of metabolism; arthritis | hyperuricemia; joint swelling; arthralgia; pain | SLC2A9; ABCG2; SLC22A12 | joint
hypothyroidism | endocrine system disease | fatigue; weight gain; constipation; bradycardia; cold intolerance; dry skin | TSHR; TPO; PAX8; TG | thyroid gland
hyperthyroidism | endocrine system disease | weight loss; tachycardia; tremor; sweating; goiter; anxiety | TSHR; CTLA4; TG | thyroid gland
Graves disease | hyperthyroidism | exophthalmos; goiter; tachycardia; weight loss | TSHR; CTLA4; PTPN22; HLA-DRB1 | thyroid gland
Cushing syndrome | endocrine system disease | weight gain; hypertension; hyperglycemia; muscle weakness; osteoporosis | PRKAR1A; NR3C1 | adrenal gland
Addison disease | endocrine system disease | fatigue; hypotension; weight loss; hyperpigmentation; hyperkalemia | CYP21A2; AIRE | adrenal gland
cardiovascular disease | | | | heart
hypertensive disorder | cardiovascular disease | hypertension; headache; dizziness | ACE; AGT; AGTR1; ADD1; NOS3 | blood vessel; kidney
pulmonary hypertension | cardiovascular disease; lung disease | dyspnea; syncope; edema; fatigue | BMPR2; NOS3; EDN1 | lung; blood vessel
heart failure | cardiovascular disease | dyspnea; edema; fatigue; orthopnea; tachycardia | MYH7; TTN; LMNA; ADRB1; NPPA | heart
coronary artery disease | cardiovascular disease | angina pectoris; chest pain; dyspnea | LDLR; APOE; LPA; PCSK9; NOS3 | heart; blood vessel
myocardial infarction | coronary artery disease | chest pain; dyspnea; sweating; nausea; arrhythmia | LPA; APOE; F5; PCSK9 | heart
angina | coronary artery disease | angina pectoris; chest pain; dyspnea | NOS3; APOE | heart
atrial fibrillation | cardiovascular disease | palpitations; arrhythmia; dyspnea; fatigue; stroke | KCNQ1; PITX2; SCN5A; NPPA | heart
cardiomyopathy | cardiovascular disease | dyspnea; edema; arrhythmia; syncope | MYH7; MYBPC3; TTN; LMNA | heart
aortic stenosis | cardiovascular disease | syncope; angina pectoris; dyspnea; heart murmur | LPA; NOTCH1 | heart
venous thromboembolism | cardiovascular disease | edema; pain; dyspnea | F5; F2; PROC; SERPINC1 | blood vessel
pulmonary embolism | venous thromboembolism; lung disease | dyspnea; chest pain; tachycardia; hemoptysis | F5; F2 | lung; blood vessel
peripheral artery disease | cardiovascular disease | claudication; pain; numbness | LPA; LDLR | blood vessel
cerebrovascular disorder | cardiovascular disease; nervous system disease | headache; dizziness; hemiparesis | NOS3; APOE | brain; blood vessel
ischemic stroke | cerebrovascular disorder | hemiparesis; aphasia; stroke; dizziness | F5; PITX2; NOTCH3; APOE | brain
intracerebral hemorrhage | cerebrovascular disorder | headache; vomiting; hemiparesis; hypertension | APOE; COL4A1 | brain
lung disease | | | | lung
asthma | lung disease | wheezing; dyspnea; cough; chest tightness | IL13; IL4R; ADRB2; ORMDL3; ALOX5 | lung; bronchus
chronic obstructive pulmonary disease | lung disease | dyspnea; cough; wheezing; sputum production; fatigue | SERPINA1; CHRNA3; HHIP | lung; bronchus
emphysema | chronic obstructive pulmonary disease | dyspnea; cough; weight loss | SERPINA1 | lung
pneumonia | lung disease; infectious disease | fever; cough; dyspnea; sputum production; chest pain | TLR4; MBL2; IL6 | lung
bronchitis | lung disease | cough; sputum production; fever; wheezing | CFTR; TLR4 | bronchus
cystic fibrosis | lung disease | cough; sputum production; failure to thrive; pancreatic insufficiency | CFTR; SLC26A9 | lung; pancreas
pulmonary fibrosis | lung disease | dyspnea; cough; clubbing; fatigue | MUC5B; TERT; SFTPC | lung
respiratory failure | lung disease | dyspnea; cyanosis; confusion | SFTPB; SFTPC | lung
kidney disease | | | | kidney
chronic kidney disease | kidney disease | proteinuria; edema; fatigue; anemia; hypertension; hyperkalemia | UMOD; APOL1; ACE; EPO | kidney
acute kidney injury | kidney disease | oliguria; edema; hyperkalemia; nausea | HAVCR1; EPO; IL6 | kidney
nephrotic syndrome | kidney disease | proteinuria; edema; hypoalbuminemia; hypercholesterolemia | NPHS1; NPHS2; WT1 | kidney
polycystic kidney disease | kidney disease | hypertension; hematuria; renal cyst; abdominal pain | PKD1; PKD2; PKHD1 | kidney
nephrolithiasis | kidney disease | flank pain; hematuria; nausea; vomiting | CASR; SLC34A1 | kidney
urinary tract infection | infectious disease; kidney disease | dysuria; fever; urinary frequency; flank pain | TLR4; CXCR1 | urinary bladder; kidney
infectious disease | | | |
sepsis | infectious disease | fever; tachycardia; hypotension; confusion; leukocytosis | TLR4; TNF; IL6; IL1B | blood
tuberculosis | infectious disease; lung disease | cough; hemoptysis; weight loss; fever; night sweats | VDR; SLC11A1; IFNGR1; TLR2 | lung
influenza | infectious disease | fever; cough; myalgia; headache; fatigue | IFITM3; TLR3 | lung
COVID-19 | infectious disease; lung disease | fever; cough; dyspnea; anosmia; fatigue; myalgia | ACE2; TMPRSS2; IFNAR2; TLR7 | lung
HIV infectious disease | infectious disease | weight loss; fever; lymphadenopathy; diarrhea; immunodeficiency | CCR5; CD4; CXCR4 | blood; lymph node
hepatitis B | infectious disease; liver disease | jaundice; fatigue; nausea; elevated hepatic transaminase | HLA-DPB1; IFNAR2 | liver
hepatitis C | infectious disease; liver disease | jaundice; fatigue; elevated hepatic transaminase | IFNL3; IFNL4 | liver
malaria | infectious disease | fever; chills; anemia; headache; splenomegaly | HBB; G6PD; ACKR1 | blood; liver
cholera | infectious disease | diarrhea; vomiting; dehydration | CFTR | small intestine
typhoid fever | infectious disease | fever; abdominal pain; headache; constipation | CFTR; TLR4 | small intestine
candidiasis | infectious disease | pruritus; rash; dysphagia | CARD9; DEFB1; IL17RA | skin; esophagus
herpes zoster | infectious disease | rash; pain; blister; paresthesia | HLA-DRB1; IFNLR1 | skin; peripheral nerve
cellulitis | infectious disease; skin disease | erythema; edema; fever; pain | TLR2; TNF | skin
nervous system disease | | | | brain
epilepsy | nervous system disease | seizure; confusion; loss of consciousness | SCN1A; KCNQ2; GABRA1; SCN2A | brain
migraine disorder | nervous system disease | headache; nausea; photophobia; vomiting | CACNA1A; TRPM8; CALCA | brain
Parkinson disease | nervous system disease | tremor; rigidity; bradykinesia; gait disturbance; depression | SNCA; LRRK2; PRKN; PINK1; GBA1 | brain; substantia nigra
Alzheimer disease | nervous system disease | memory impairment; confusion; dementia; apathy | APP; PSEN1; PSEN2; APOE; MAPT | brain; hippocampus
multiple sclerosis | nervous system disease; autoimmune disease | paresthesia; muscle weakness; visual loss; fatigue; gait disturbance | HLA-DRB1; IL7R; IL2RA | brain; spinal cord
peripheral neuropathy | nervous system disease | paresthesia; numbness; muscle weakness; pain | PMP22; MPZ | peripheral nerve
amyotrophic lateral sclerosis | nervous system disease | muscle weakness; dysphagia; muscle atrophy | SOD1; TARDBP; FUS; C9orf72 | spinal cord; brain
mental disorder | | | | brain
major depressive disorder | mental disorder | depression; insomnia; fatigue; anhedonia; weight loss | SLC6A4; BDNF; TPH2; FKBP5 | brain
bipolar disorder | mental disorder | depression; mania; insomnia; irritability | CACNA1C; ANK3; BDNF | brain
schizophrenia | mental disorder | hallucination; delusion; apathy; anhedonia | DRD2; DISC1; CACNA1C; GRM3 | brain
anxiety disorder | mental disorder | anxiety; palpitations; insomnia; tremor | SLC6A4; COMT; GABRA2 | brain
alcohol use disorder | mental disorder | tremor; anxiety; insomnia; seizure | ADH1B; ALDH2; GABRA2 | brain; liver
attention deficit hyperactivity disorder | mental disorder | inattention; hyperactivity; impulsivity | SLC6A3; DRD4; SNAP25 | brain
opioid dependence | mental disorder | anxiety; insomnia; sweating; diarrhea | OPRM1; DRD2 | brain
cancer | | | |
breast cancer | cancer | breast mass; lymphadenopathy; weight loss; pain | BRCA1; BRCA2; TP53; ERBB2; ESR1; PIK3CA | breast
lung cancer | cancer; lung disease | cough; hemoptysis; weight loss; dyspnea; chest pain | EGFR; KRAS; TP53; ALK; ROS1 | lung
colorectal cancer | cancer | rectal bleeding; weight loss; constipation; anemia; abdominal pain | APC; KRAS; TP53; MLH1; MSH2 | colon; rectum
prostate cancer | cancer | urinary frequency; bone pain; hematuria | AR; BRCA2; PTEN; HOXB13 | prostate gland
pancreatic cancer | cancer | jaundice; weight loss; abdominal pain; back pain | KRAS; TP53; CDKN2A; SMAD4; BRCA2 | pancreas
melanoma | cancer; skin disease | skin lesion; lymphadenopathy; pruritus | BRAF; CDKN2A; NRAS; KIT; MC1R | skin
acute myeloid leukemia | cancer | anemia; fever; fatigue; leukocytosis; thrombocytopenia | FLT3; NPM1; DNMT3A; IDH1 | bone marrow; blood
chronic myeloid leukemia | cancer | leukocytosis; splenomegaly; fatigue; weight loss | BCR; ABL1 | bone marrow; blood
multiple myeloma | cancer | bone pain; anemia; hypercalcemia; fatigue; proteinuria | NRAS; KRAS; CCND1 | bone marrow
non-Hodgkin lymphoma | cancer | lymphadenopathy; fever; night sweats; weight loss | BCL2; MYC; BCL6 | lymph node
ovarian cancer | cancer | abdominal pain; ascites; weight loss | BRCA1; BRCA2; TP53 | ovary
gastric cancer | cancer | weight loss; abdominal pain; anemia; nausea | CDH1; ERBB2; TP53 | stomach
liver disease | | | | liver
hepatocellular carcinoma | cancer; liver disease | jaundice; weight loss; ascites; abdominal pain | TP53; CTNNB1; TERT | liver
cirrhosis of liver | liver disease | jaundice; ascites; edema; splenomegaly; confusion | PNPLA3; SERPINA1; HFE; TERT | liver
fatty liver disease | liver disease | elevated hepatic transaminase; fatigue; insulin resistance | PNPLA3; TM6SF2 | liver
gastroesophageal reflux disease | digestive system disease | heartburn; dysphagia; cough; chest pain | GNB3; FOXF1 | esophagus
peptic ulcer disease | digestive system disease | abdominal pain; nausea; anemia; heartburn | ABO; PSCA | stomach; duodenum
digestive system disease | | | |
Crohn disease | digestive system disease; autoimmune disease | diarrhea; abdominal pain; weight loss; fever; fatigue | NOD2; IL23R; ATG16L1; TNF | small intestine; colon
ulcerative colitis | digestive system disease; autoimmune disease | diarrhea; rectal bleeding; abdominal pain | IL23R; HLA-DRB1; TNF | colon; rectum
celiac disease | digestive system disease; autoimmune disease | diarrhea; weight loss; anemia; failure to thrive | HLA-DQB1; CTLA4; IL2RA | small intestine
acute pancreatitis | digestive system disease | abdominal pain; nausea; vomiting; fever; hypertriglyceridemia | PRSS1; SPINK1; CFTR | pancreas
cholelithiasis | digestive system disease | abdominal pain; nausea; jaundice | ABCG8; ABCB4 | gallbladder
appendicitis | digestive system disease | abdominal pain; fever; nausea; leukocytosis | IL6 | appendix
irritable bowel syndrome | digestive system disease | abdominal pain; diarrhea; constipation | SLC6A4; SCN5A | colon
autoimmune disease | | | |
arthritis | musculoskeletal disease | arthralgia; joint swelling; pain | TNF; IL6 | joint
musculoskeletal disease | | | |
rheumatoid arthritis | arthritis; autoimmune disease | arthralgia; joint swelling; fatigue; morning stiffness | HLA-DRB1; PTPN22; TNF; IL6; CTLA4 | joint
osteoarthritis | arthritis | arthralgia; joint swelling; morning stiffness; pain | GDF5; COL2A1 | joint; cartilage
osteoporosis | musculoskeletal disease | fracture; back pain; reduced bone mineral density | LRP5; VDR; ESR1; COL1A1; TNFSF11 | bone
systemic lupus erythematosus | autoimmune disease | rash; arthralgia; fatigue; proteinuria; fever | HLA-DRB1; STAT4; IRF5; C4A; TLR7 | skin; kidney; joint
low back pain | musculoskeletal disease | back pain; pain | COL9A2; GDF5 | vertebral column
skin disease | | | | skin
psoriasis | skin disease; autoimmune disease | rash; pruritus; erythema; arthralgia | IL23R; TNF; CARD14; IL17A | skin
atopic dermatitis | skin disease | pruritus; rash; erythema; dry skin | FLG; IL4R; IL13; IL31 | skin
acne | skin disease | skin lesion; erythema | AR; TNF | skin
blood disease | | | | blood
iron deficiency anemia | blood disease | anemia; fatigue; pallor; dyspnea | TMPRSS6; TF; HFE | blood; bone marrow
sickle cell anemia | blood disease | anemia; pain; jaundice; splenomegaly; stroke | HBB; BCL11A; HBG1 | blood
hemophilia A | blood disease | prolonged bleeding; joint swelling; hematuria | F8; VWF | blood
thrombocytopenic purpura | blood disease; autoimmune disease | thrombocytopenia; purpura; prolonged bleeding | ADAMTS13; ITGB3 | blood
hereditary hemochromatosis | blood disease; disease of metabolism | fatigue; arthralgia; hyperpigmentation; elevated hepatic transaminase | HFE; HAMP; TFR2 | liver; blood
eye disease | | | | eye
retinal disease | eye disease | visual loss | ABCA4; RHO | retina
glaucoma | eye disease | visual loss; eye pain; increased intraocular pressure | MYOC; OPTN; CYP1B1 | eye
cataract | eye disease | blurred vision; visual loss; photophobia | CRYAA; CRYGD | lens
conjunctivitis | eye disease | eye pain; erythema; photophobia | IL4R; TLR4 | conjunctiva
age-related macular degeneration | retinal disease | visual loss; blurred vision | CFH; ARMS2; VEGFA | retina
ear disease | | | | ear
Meniere disease | ear disease | vertigo; tinnitus; hearing loss; nausea | COCH; DTNA | ear
otitis media | ear disease; infectious disease | ear pain; fever; hearing loss | TLR4; MUC5B | ear
benign prostatic hyperplasia | | urinary frequency; nocturia | AR; SRD5A2 | prostate gland
erectile dysfunction | | impotence | NOS3; PDE5A | penis
preeclampsia | hypertensive disorder | hypertension; proteinuria; edema; headache | FLT1; STOX1 | placenta
endometriosis | | pain; infertility | WNT4; VEZT; ESR1 | uterus; ovary
insomnia | mental disorder | insomnia; fatigue; irritability | HCRT; GABRA1 | brain
sleep apnea | | snoring; fatigue; hypertension; headache | LEP; TNF | pharynx
allergic rhinitis | | sneezing; nasal congestion; pruritus | IL13; IL4R | nose
anaphylaxis | | hypotension; rash; dyspnea; wheezing | KIT; IL4R | blood
hip fracture | musculoskeletal disease | fracture; pain | COL1A1; LRP5 | bone
hyperkalemia disorder | disease of metabolism | hyperkalemia; arrhythmia; muscle weakness | SCN4A; WNK4 | blood
hyponatremia | disease of metabolism | confusion; nausea; seizure; headache | AVP; AVPR2 | blood
vitamin D deficiency | disease of metabolism | muscle weakness; bone pain; reduced bone mineral density | VDR; CYP27B1; GC | bone
"""

# ---- drugs (name, ATC, RxNorm | indications | contraindications | targets | side effects) ----
DRUGS = """
metformin | A10BA02 | 6809 | type 2 diabetes mellitus | chronic kidney disease | PRKAB1; ETFDH | diarrhea; nausea; lactic acidosis
glibenclamide | A10BB01 | 4815 | type 2 diabetes mellitus | diabetic ketoacidosis | ABCC8; KCNJ11 | hypoglycemic event; weight gain
glipizide | A10BB07 | 4821 | type 2 diabetes mellitus | diabetic ketoacidosis | ABCC8; KCNJ11 | hypoglycemic event; weight gain; nausea
gliclazide | A10BB09 | 4816 | type 2 diabetes mellitus | diabetic ketoacidosis | ABCC8 | hypoglycemic event; weight gain
glimepiride | A10BB12 | 25789 | type 2 diabetes mellitus | diabetic ketoacidosis | ABCC8; KCNJ11 | hypoglycemic event; weight gain; dizziness
pioglitazone | A10BG03 | 33738 | type 2 diabetes mellitus | heart failure | PPARG | edema; weight gain; fracture
sitagliptin | A10BH01 | 593411 | type 2 diabetes mellitus | | DPP4 | headache; abdominal pain
liraglutide | A10BJ02 | 475968 | type 2 diabetes mellitus; obesity | | GLP1R | nausea; vomiting; diarrhea
exenatide | A10BJ01 | 60548 | type 2 diabetes mellitus | | GLP1R | nausea; vomiting; hypoglycemic event
acarbose | A10BF01 | 16681 | type 2 diabetes mellitus | Crohn disease | MGAM; SI | diarrhea; abdominal pain
empagliflozin | A10BK03 | 1545653 | type 2 diabetes mellitus; heart failure; chronic kidney disease | diabetic ketoacidosis | SLC5A2 | urinary frequency; dehydration
dapagliflozin | A10BK01 | 1488564 | type 2 diabetes mellitus; heart failure; chronic kidney disease | diabetic ketoacidosis | SLC5A2 | urinary frequency; dehydration
repaglinide | A10BX02 | 73044 | type 2 diabetes mellitus | diabetic ketoacidosis | ABCC8 | hypoglycemic event; weight gain
insulin glargine | A10AE04 | 274783 | type 1 diabetes mellitus; type 2 diabetes mellitus | hypoglycemia | INSR | hypoglycemic event; weight gain
insulin lispro | A10AB04 | 86009 | type 1 diabetes mellitus; type 2 diabetes mellitus; diabetic ketoacidosis | hypoglycemia | INSR | hypoglycemic event; weight gain
insulin aspart | A10AB05 | 51428 | type 1 diabetes mellitus; gestational diabetes | hypoglycemia | INSR | hypoglycemic event; weight gain
glucagon | H04AA01 | 4832 | hypoglycemia | | GCGR | nausea; vomiting; tachycardia
levothyroxine | H03AA01 | 10582 | hypothyroidism | | THRA; THRB | tachycardia; weight loss; insomnia
methimazole | H03BB02 | 6835 | hyperthyroidism; Graves disease | | TPO | rash; arthralgia
propylthiouracil | H03BA02 | 8794 | hyperthyroidism; Graves disease | liver disease | TPO | rash; elevated hepatic transaminase
hydrocortisone | H02AB09 | 5492 | Addison disease; atopic dermatitis; anaphylaxis | | NR3C1 | hyperglycemia; weight gain; hypertension
prednisone | H02AB07 | 8640 | asthma; rheumatoid arthritis; systemic lupus erythematosus; Crohn disease; ulcerative colitis | | NR3C1 | hyperglycemia; weight gain; insomnia; reduced bone mineral density
dexamethasone | H02AB02 | 3264 | COVID-19; multiple myeloma; Addison disease | | NR3C1 | hyperglycemia; insomnia; weight gain
atorvastatin | C10AA05 | 83367 | hyperlipidemia; coronary artery disease; familial hypercholesterolemia | liver disease | HMGCR | myalgia; elevated hepatic transaminase
simvastatin | C10AA01 | 36567 | hyperlipidemia; coronary artery disease | liver disease | HMGCR | myalgia; elevated hepatic transaminase; headache
rosuvastatin | C10AA07 | 301542 | hyperlipidemia; familial hypercholesterolemia | liver disease | HMGCR | myalgia; headache
pravastatin | C10AA03 | 42463 | hyperlipidemia | liver disease | HMGCR | myalgia; rash
ezetimibe | C10AX09 | 341248 | hyperlipidemia; familial hypercholesterolemia | | NPC1L1 | diarrhea; myalgia
fenofibrate | C10AB05 | 8703 | hyperlipidemia | cholelithiasis; chronic kidney disease | PPARA | elevated hepatic transaminase; nausea
allopurinol | M04AA01 | 519 | gout | | XDH | rash; nausea
colchicine | M04AC01 | 2683 | gout | chronic kidney disease | TUBB | diarrhea; nausea; vomiting
febuxostat | M04AA03 | 73689 | gout | | XDH | rash; nausea; arthralgia
lisinopril | C09AA03 | 29046 | hypertensive disorder; heart failure; myocardial infarction | preeclampsia; hyperkalemia disorder | ACE | cough; hyperkalemia; dizziness; hypotension
enalapril | C09AA02 | 3827 | hypertensive disorder; heart failure | preeclampsia; hyperkalemia disorder | ACE | cough; hyperkalemia; dizziness
ramipril | C09AA05 | 35296 | hypertensive disorder; heart failure; diabetic nephropathy | preeclampsia | ACE | cough; hyperkalemia
captopril | C09AA01 | 1998 | hypertensive disorder; heart failure; diabetic nephropathy | preeclampsia | ACE | cough; rash; hyperkalemia
losartan | C09CA01 | 52175 | hypertensive disorder; diabetic nephropathy | preeclampsia; hyperkalemia disorder | AGTR1 | dizziness; hyperkalemia
valsartan | C09CA03 | 69749 | hypertensive disorder; heart failure | preeclampsia | AGTR1 | dizziness; hyperkalemia
amlodipine | C08CA01 | 17767 | hypertensive disorder; angina; coronary artery disease | | CACNA1C | edema; dizziness; palpitations
nifedipine | C08CA05 | 7417 | hypertensive disorder; angina | | CACNA1C | edema; headache; dizziness
verapamil | C08DA01 | 11170 | hypertensive disorder; angina; atrial fibrillation | heart failure | CACNA1C | constipation; bradycardia; dizziness
diltiazem | C08DB01 | 3443 | hypertensive disorder; angina; atrial fibrillation | heart failure | CACNA1C | edema; bradycardia; headache
metoprolol | C07AB02 | 6918 | hypertensive disorder; heart failure; angina; myocardial infarction; atrial fibrillation | asthma | ADRB1 | bradycardia; fatigue; dizziness
atenolol | C07AB03 | 1202 | hypertensive disorder; angina | asthma | ADRB1 | bradycardia; fatigue
bisoprolol | C07AB07 | 19484 | hypertensive disorder; heart failure | asthma | ADRB1 | bradycardia; fatigue; dizziness
carvedilol | C07AG02 | 20352 | heart failure; hypertensive disorder | asthma | ADRB1; ADRB2; ADRA1A | bradycardia; dizziness; hypotension
propranolol | C07AA05 | 8787 | hypertensive disorder; migraine disorder; angina; hyperthyroidism | asthma | ADRB1; ADRB2 | bradycardia; fatigue; insomnia
hydrochlorothiazide | C03AA03 | 5487 | hypertensive disorder | gout | SLC12A3 | hyperuricemia; dizziness; dehydration
furosemide | C03CA01 | 4603 | heart failure; chronic kidney disease; cirrhosis of liver | | SLC12A1 | dehydration; hearing loss; dizziness
spironolactone | C03DA01 | 9997 | heart failure; hypertensive disorder; cirrhosis of liver | hyperkalemia disorder; Addison disease | NR3C2 | hyperkalemia; dizziness
digoxin | C01AA05 | 3407 | heart failure; atrial fibrillation | | ATP1A1 | nausea; arrhythmia; blurred vision
amiodarone | C01BD01 | 703 | atrial fibrillation | hyperthyroidism | KCNH2 | bradycardia; cough; elevated hepatic transaminase
nitroglycerin | C01DA02 | 4917 | angina; coronary artery disease | | NPR1 | headache; hypotension; dizziness
warfarin | B01AA03 | 11289 | atrial fibrillation; venous thromboembolism; pulmonary embolism | peptic ulcer disease; hemophilia A | VKORC1 | prolonged bleeding; hematuria
heparin | B01AB01 | 5224 | venous thromboembolism; pulmonary embolism; myocardial infarction | thrombocytopenic purpura | SERPINC1 | prolonged bleeding; thrombocytopenia
enoxaparin | B01AB05 | 67108 | venous thromboembolism; pulmonary embolism | thrombocytopenic purpura | SERPINC1; F10 | prolonged bleeding; thrombocytopenia
clopidogrel | B01AC04 | 32968 | coronary artery disease; ischemic stroke; peripheral artery disease; myocardial infarction | peptic ulcer disease | P2RY12 | prolonged bleeding; rash; diarrhea
aspirin | B01AC06 | 1191 | coronary artery disease; myocardial infarction; ischemic stroke | peptic ulcer disease; hemophilia A | PTGS1; PTGS2 | prolonged bleeding; abdominal pain; heartburn
rivaroxaban | B01AF01 | 1114195 | atrial fibrillation; venous thromboembolism; pulmonary embolism | peptic ulcer disease | F10 | prolonged bleeding
apixaban | B01AF02 | 1364430 | atrial fibrillation; venous thromboembolism; pulmonary embolism | peptic ulcer disease | F10 | prolonged bleeding
salbutamol | R03AC02 | 435 | asthma; chronic obstructive pulmonary disease | | ADRB2 | tremor; tachycardia; headache
salmeterol | R03AC12 | 36117 | asthma; chronic obstructive pulmonary disease | | ADRB2 | tremor; headache
budesonide | R03BA02 | 19831 | asthma; chronic obstructive pulmonary disease; allergic rhinitis; Crohn disease | tuberculosis | NR3C1 | cough; headache
fluticasone | R03BA05 | 41126 | asthma; allergic rhinitis | tuberculosis | NR3C1 | cough; headache
tiotropium | R03BB04 | 69120 | chronic obstructive pulmonary disease | glaucoma | CHRM3 | dry mouth; constipation
ipratropium | R03BB01 | 7213 | chronic obstructive pulmonary disease; asthma | glaucoma | CHRM3 | dry mouth; cough
montelukast | R03DC03 | 88249 | asthma; allergic rhinitis | | CYSLTR1 | headache; abdominal pain
theophylline | R03DA04 | 10438 | asthma; chronic obstructive pulmonary disease | epilepsy | PDE4D; ADORA1 | tachycardia; nausea; seizure
epinephrine | C01CA24 | 3992 | anaphylaxis; asthma | | ADRB2; ADRA1A; ADRB1 | tachycardia; tremor; anxiety
loratadine | R06AX13 | 28889 | allergic rhinitis | | HRH1 | headache; fatigue
cetirizine | R06AE07 | 20610 | allergic rhinitis; atopic dermatitis | | HRH1 | fatigue; dry mouth
amoxicillin | J01CA04 | 723 | pneumonia; otitis media; bronchitis | | PBP bacterial protein | diarrhea; rash; nausea
ampicillin | J01CA01 | 733 | pneumonia; urinary tract infection; sepsis | | PBP bacterial protein | diarrhea; rash
ceftriaxone | J01DD04 | 2193 | pneumonia; sepsis; urinary tract infection; typhoid fever | | PBP bacterial protein | diarrhea; rash
vancomycin | J01XA01 | 11124 | sepsis; cellulitis; pneumonia | | | rash; hearing loss
azithromycin | J01FA10 | 18631 | pneumonia; bronchitis; typhoid fever; cholera | | | diarrhea; nausea; abdominal pain
doxycycline | J01AA02 | 3640 | pneumonia; acne; cholera; malaria | | | nausea; photophobia; diarrhea
ciprofloxacin | J01MA02 | 2551 | urinary tract infection; typhoid fever | | | nausea; diarrhea; arthralgia
levofloxacin | J01MA12 | 82122 | pneumonia; urinary tract infection | | | nausea; insomnia; headache
trimethoprim | J01EA01 | 10829 | urinary tract infection | | | rash; hyperkalemia
nitrofurantoin | J01XE01 | 7454 | urinary tract infection | chronic kidney disease | | nausea; peripheral numbness
isoniazid | J04AC01 | 6038 | tuberculosis | liver disease | | elevated hepatic transaminase; paresthesia
rifampicin | J04AB02 | 9384 | tuberculosis | liver disease | | elevated hepatic transaminase; nausea
pyrazinamide | J04AK01 | 8987 | tuberculosis | gout; liver disease | | hyperuricemia; arthralgia
oseltamivir | J05AH02 | 260101 | influenza | | | nausea; vomiting; headache
aciclovir | J05AB01 | 281 | herpes zoster | | | nausea; headache
tenofovir disoproxil | J05AF07 | 300195 | HIV infectious disease; hepatitis B | | | nausea; diarrhea; reduced bone mineral density
lamivudine | J05AF05 | 68244 | HIV infectious disease; hepatitis B | | | nausea; headache
zidovudine | J05AF01 | 11413 | HIV infectious disease | | | anemia; nausea; myalgia
sofosbuvir | J05AP08 | 1484911 | hepatitis C | | | fatigue; headache
fluconazole | J02AC01 | 4450 | candidiasis | | CYP51A1 | nausea; rash; elevated hepatic transaminase
chloroquine | P01BA01 | 2393 | malaria | retinal disease | | nausea; blurred vision; pruritus
hydroxychloroquine | P01BA02 | 5521 | malaria; systemic lupus erythematosus; rheumatoid arthritis | retinal disease | TLR7 | nausea; blurred vision; rash
phenytoin | N03AB02 | 8183 | epilepsy | | SCN1A; SCN5A | rash; dizziness; gait disturbance
carbamazepine | N03AF01 | 2002 | epilepsy; bipolar disorder | | SCN1A; SCN2A | dizziness; rash; nausea
valproic acid | N03AG01 | 11118 | epilepsy; bipolar disorder; migraine disorder | liver disease | SCN1A; ABAT | weight gain; tremor; nausea
lamotrigine | N03AX09 | 28439 | epilepsy; bipolar disorder | | SCN1A; SCN2A | rash; headache; dizziness
levetiracetam | N03AX14 | 114477 | epilepsy | | SV2A | irritability; fatigue; dizziness
gabapentin | N03AX12 | 25480 | epilepsy; herpes zoster; diabetic neuropathy | | CACNA2D1 | dizziness; fatigue; edema
pregabalin | N03AX16 | 187832 | diabetic neuropathy; epilepsy; anxiety disorder | | CACNA2D1 | dizziness; weight gain; edema
sumatriptan | N02CC01 | 37418 | migraine disorder | coronary artery disease | HTR1B; HTR1D | chest tightness; paresthesia; dizziness
levodopa | N04BA01 | 6375 | Parkinson disease | melanoma | DRD2; DRD1 | nausea; dizziness; hallucination
pramipexole | N04BC05 | 746741 | Parkinson disease | | DRD2; DRD3 | nausea; hallucination; insomnia
donepezil | N06DA02 | 135447 | Alzheimer disease | | ACHE | nausea; diarrhea; bradycardia
rivastigmine | N06DA03 | 183379 | Alzheimer disease | | ACHE; BCHE | nausea; vomiting
memantine | N06DX01 | 6719 | Alzheimer disease | | GRIN1 | dizziness; headache; constipation
interferon beta-1a | L03AB07 | 75917 | multiple sclerosis | | IFNAR2 | fever; myalgia; headache
fluoxetine | N06AB03 | 4493 | major depressive disorder; anxiety disorder | | SLC6A4 | nausea; insomnia; anxiety
sertraline | N06AB06 | 36437 | major depressive disorder; anxiety disorder | | SLC6A4 | nausea; diarrhea; insomnia
citalopram | N06AB04 | 2556 | major depressive disorder | | SLC6A4 | nausea; sweating; dry mouth
escitalopram | N06AB10 | 321988 | major depressive disorder; anxiety disorder | | SLC6A4 | nausea; insomnia
venlafaxine | N06AX16 | 39786 | major depressive disorder; anxiety disorder | | SLC6A4; SLC6A2 | nausea; sweating; hypertension
amitriptyline | N06AA09 | 704 | major depressive disorder; migraine disorder | myocardial infarction; glaucoma | SLC6A4; SLC6A2; HRH1 | dry mouth; constipation; weight gain
mirtazapine | N06AX11 | 15996 | major depressive disorder | | HTR2A; HRH1; ADRA2A | weight gain; fatigue; dry mouth
bupropion | N06AX12 | 42347 | major depressive disorder | epilepsy | SLC6A3; SLC6A2 | insomnia; seizure; dry mouth
lithium | N05AN01 | 6448 | bipolar disorder | chronic kidney disease | GSK3B | tremor; polyuria; weight gain
haloperidol | N05AD01 | 5093 | schizophrenia | Parkinson disease | DRD2 | rigidity; tremor; bradykinesia
olanzapine | N05AH03 | 61381 | schizophrenia; bipolar disorder | | DRD2; HTR2A | weight gain; hyperglycemia; fatigue
quetiapine | N05AH04 | 51272 | schizophrenia; bipolar disorder | | DRD2; HTR2A; HRH1 | weight gain; fatigue; dizziness
risperidone | N05AX08 | 35636 | schizophrenia; bipolar disorder | | DRD2; HTR2A | weight gain; tremor; fatigue
clozapine | N05AH02 | 2626 | schizophrenia | epilepsy | DRD4; HTR2A | weight gain; seizure; tachycardia
diazepam | N05BA01 | 3322 | anxiety disorder; epilepsy; alcohol use disorder | sleep apnea | GABRA1; GABRA2 | fatigue; confusion; muscle weakness
lorazepam | N05BA06 | 6470 | anxiety disorder; epilepsy | sleep apnea | GABRA1; GABRA2 | fatigue; confusion
zolpidem | N05CF02 | 39993 | insomnia | sleep apnea | GABRA1 | dizziness; confusion
methylphenidate | N06BA04 | 6901 | attention deficit hyperactivity disorder | glaucoma; hyperthyroidism | SLC6A3; SLC6A2 | insomnia; weight loss; tachycardia
methadone | N07BC02 | 6813 | opioid dependence | asthma | OPRM1 | constipation; sweating; nausea
naltrexone | N07BB04 | 7243 | alcohol use disorder; opioid dependence | liver disease | OPRM1 | nausea; headache
morphine | N02AA01 | 7052 | pain disorder | asthma | OPRM1 | constipation; nausea; confusion
oxycodone | N02AA05 | 7804 | pain disorder | asthma | OPRM1 | constipation; nausea; pruritus
paracetamol | N02BE01 | 161 | pain disorder; influenza | liver disease | PTGS2 | elevated hepatic transaminase; rash
ibuprofen | M01AE01 | 5640 | osteoarthritis; rheumatoid arthritis; pain disorder | peptic ulcer disease; chronic kidney disease | PTGS1; PTGS2 | heartburn; edema; abdominal pain
naproxen | M01AE02 | 7258 | osteoarthritis; rheumatoid arthritis; gout | peptic ulcer disease; chronic kidney disease | PTGS1; PTGS2 | heartburn; edema
diclofenac | M01AB05 | 3355 | osteoarthritis; rheumatoid arthritis | peptic ulcer disease; heart failure | PTGS1; PTGS2 | heartburn; elevated hepatic transaminase
celecoxib | M01AH01 | 140587 | osteoarthritis; rheumatoid arthritis | coronary artery disease | PTGS2 | edema; abdominal pain
methotrexate | L04AX03 | 6851 | rheumatoid arthritis; psoriasis; acute myeloid leukemia | liver disease; chronic kidney disease | DHFR | nausea; elevated hepatic transaminase; anemia
adalimumab | L04AB04 | 327361 | rheumatoid arthritis; Crohn disease; psoriasis; ulcerative colitis | tuberculosis; sepsis | TNF | rash; headache
infliximab | L04AB02 | 191831 | rheumatoid arthritis; Crohn disease; ulcerative colitis; psoriasis | tuberculosis; heart failure | TNF | fever; rash; headache
azathioprine | L04AX01 | 1256 | Crohn disease; systemic lupus erythematosus; rheumatoid arthritis | | HPRT1 | nausea; anemia; leukopenia
mesalazine | A07EC02 | 52582 | ulcerative colitis; Crohn disease | chronic kidney disease | PPARG | headache; abdominal pain
omeprazole | A02BC01 | 7646 | gastroesophageal reflux disease; peptic ulcer disease | | ATP4A | headache; diarrhea
pantoprazole | A02BC02 | 40790 | gastroesophageal reflux disease; peptic ulcer disease | | ATP4A | headache; diarrhea
famotidine | A02BA03 | 4278 | gastroesophageal reflux disease; peptic ulcer disease | | HRH2 | headache; dizziness
ondansetron | A04AA01 | 26225 | pain disorder | | HTR3A | constipation; headache
loperamide | A07DA03 | 6468 | irritable bowel syndrome | ulcerative colitis | OPRM1 | constipation; abdominal pain
lactulose | A06AD11 | 6218 | cirrhosis of liver | | | diarrhea; abdominal pain
alendronic acid | M05BA04 | 46041 | osteoporosis | gastroesophageal reflux disease | FDPS | heartburn; abdominal pain; myalgia
denosumab | M05BX04 | 993449 | osteoporosis; multiple myeloma | | TNFSF11 | back pain; arthralgia
colecalciferol | A11CC05 | 2418 | vitamin D deficiency; osteoporosis | | VDR | hypercalcemia; nausea
ferrous sulfate | B03AA07 | 24947 | iron deficiency anemia | hereditary hemochromatosis | TF | constipation; nausea; abdominal pain
epoetin | B03XA01 | 105694 | chronic kidney disease | hypertensive disorder | EPOR | hypertension; headache
folic acid | B03BB01 | 4511 | sickle cell anemia | | | nausea
hydroxycarbamide | L01XX05 | 5552 | sickle cell anemia; chronic myeloid leukemia | | RRM1 | anemia; leukopenia; nausea
tamoxifen | L02BA01 | 10324 | breast cancer | venous thromboembolism | ESR1 | hot flush; nausea
anastrozole | L02BG03 | 84857 | breast cancer | osteoporosis | CYP19A1 | hot flush; arthralgia
trastuzumab | L01FD01 | 224905 | breast cancer; gastric cancer | heart failure | ERBB2 | fever; nausea; dyspnea
paclitaxel | L01CD01 | 56946 | breast cancer; ovarian cancer; lung cancer | | TUBB | alopecia; paresthesia; anemia
cisplatin | L01XA01 | 2555 | ovarian cancer; lung cancer | chronic kidney disease | | nausea; vomiting; hearing loss
fluorouracil | L01BC02 | 4492 | colorectal cancer; gastric cancer; pancreatic cancer | | TYMS | diarrhea; nausea; anemia
gemcitabine | L01BC05 | 12574 | pancreatic cancer; lung cancer | | RRM1 | anemia; nausea; fever
imatinib | L01EA01 | 282388 | chronic myeloid leukemia | | ABL1; KIT | edema; nausea; myalgia
erlotinib | L01EB02 | 337525 | lung cancer; pancreatic cancer | | EGFR | rash; diarrhea
vemurafenib | L01EC01 | 1147220 | melanoma | | BRAF | rash; arthralgia; photophobia
rituximab | L01FA01 | 121191 | non-Hodgkin lymphoma; rheumatoid arthritis | hepatitis B | MS4A1 | fever; chills; rash
bortezomib | L01XG01 | 358258 | multiple myeloma | | PSMB5 | paresthesia; nausea; thrombocytopenia
leuprorelin | L02AE02 | 42375 | prostate cancer; endometriosis | | GNRHR | hot flush; reduced bone mineral density
bicalutamide | L02BB03 | 83008 | prostate cancer | liver disease | AR | hot flush; elevated hepatic transaminase
sorafenib | L01EX02 | 495881 | hepatocellular carcinoma | | BRAF; FLT3; KIT | rash; diarrhea; hypertension
tamsulosin | G04CA02 | 77492 | benign prostatic hyperplasia | | ADRA1A | dizziness; hypotension
finasteride | G04CB01 | 25025 | benign prostatic hyperplasia | | SRD5A2 | impotence
sildenafil | G04BE03 | 136411 | erectile dysfunction; pulmonary hypertension | coronary artery disease | PDE5A | headache; blurred vision; hypotension
bosentan | C02KX01 | 75207 | pulmonary hypertension | liver disease | EDNRA | elevated hepatic transaminase; edema
timolol | S01ED01 | 10600 | glaucoma | asthma | ADRB1; ADRB2 | bradycardia; eye pain
latanoprost | S01EE01 | 43611 | glaucoma | | PTGFR | eye pain; erythema
isotretinoin | D10BA01 | 6064 | acne | | RARA | dry skin; hypertriglyceridemia; depression
betahistine | N07CA01 | 1511 | Meniere disease | | HRH3; HRH1 | headache; nausea
magnesium sulfate | B05XA05 | 6585 | preeclampsia | | GRIN1 | muscle weakness; hypotension
methyldopa | C02AB01 | 6876 | preeclampsia; hypertensive disorder | liver disease | ADRA2A | fatigue; dizziness
"""

PATHWAYS = """
insulin signaling pathway | INS; INSR; IRS1; GSK3B; PPARG; PRKAB1
renin-angiotensin system | ACE; ACE2; AGT; AGTR1
blood coagulation | F2; F5; F8; F10; VWF; PROC; SERPINC1; VKORC1
cholesterol metabolism | HMGCR; LDLR; APOB; APOE; PCSK9; NPC1L1; LPL
dopamine receptor signaling | DRD1; DRD2; DRD3; DRD4; SLC6A3; COMT; SNAP25
serotonin receptor signaling | HTR1B; HTR1D; HTR2A; HTR3A; SLC6A4; TPH2
adrenergic receptor signaling | ADRB1; ADRB2; ADRA1A; ADRA2A; SLC6A2
GABA receptor signaling | GABRA1; GABRA2; ABAT
inflammatory response | TNF; IL6; IL1B; TLR4; TLR2; TLR7; PTGS2; NR3C1
interleukin-17 signaling | IL17A; IL17RA; IL23R; CARD9
cell cycle control | TP53; CDKN2A; CCND1; MYC; PTEN
DNA repair | BRCA1; BRCA2; MLH1; MSH2; TP53
MAPK signaling | KRAS; NRAS; BRAF; EGFR; KIT; ERBB2; FLT3
thyroid hormone synthesis | TPO; TG; TSHR; PAX8; THRA; THRB
iron homeostasis | HFE; HAMP; TF; TFR2; TMPRSS6
bone remodeling | LRP5; TNFSF11; VDR; COL1A1; ESR1; CYP27B1
"""

INTERACTIONS = """
warfarin | aspirin; ibuprofen; naproxen; diclofenac; amiodarone; fluconazole; clopidogrel; rivaroxaban; fluoxetine; simvastatin; rifampicin; celecoxib
simvastatin | amlodipine; verapamil; diltiazem; amiodarone; fluconazole; fenofibrate; colchicine
digoxin | amiodarone; verapamil; furosemide; spironolactone; hydrochlorothiazide
lisinopril | spironolactone; losartan; ibuprofen; lithium; trimethoprim
lithium | ibuprofen; hydrochlorothiazide; naproxen; losartan; furosemide
fluoxetine | sumatriptan; amitriptyline; metoprolol; tamoxifen; phenytoin
metoprolol | verapamil; diltiazem; insulin lispro; citalopram
propranolol | epinephrine; insulin glargine; salbutamol; verapamil
sildenafil | nitroglycerin; amlodipine; tamsulosin
morphine | diazepam; lorazepam; gabapentin; naltrexone
methadone | naltrexone; diazepam; ondansetron
aspirin | clopidogrel; ibuprofen; heparin; enoxaparin; methotrexate
methotrexate | ibuprofen; omeprazole; trimethoprim
rifampicin | prednisone; apixaban; rivaroxaban; methadone
phenytoin | valproic acid; carbamazepine; folic acid
valproic acid | lamotrigine
theophylline | ciprofloxacin; carbamazepine
clozapine | ciprofloxacin; carbamazepine
levothyroxine | ferrous sulfate; warfarin
allopurinol | azathioprine
metformin | hydrochlorothiazide; furosemide; prednisone
glibenclamide | bosentan; fluconazole
"""


def split(text):
    return [item.strip() for item in text.split(";") if item.strip()]


def table(text):
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


class Graph:
    def __init__(self):
        self.index, self.nodes, self.edges, self.seen = {}, [], [], set()

    def node(self, name, kind):
        key = (kind, name)
        if key not in self.index:
            self.index[key] = len(self.nodes)
            self.nodes.append((name, kind))
        return self.index[key]

    def edge(self, relation, display, a, b):
        if a == b or (relation, a, b) in self.seen or (relation, b, a) in self.seen:
            return
        self.seen.add((relation, a, b))
        self.edges.append((relation, display, a, b))


def build_graph():
    graph = Graph()
    diseases = table(DISEASES)
    for row in diseases:
        graph.node(row[0], "disease")
    graph.node("pain disorder", "disease")
    for name, parents, phenotypes, genes, anatomy in (row + [""] * (5 - len(row)) for row in diseases):
        d = graph.node(name, "disease")
        for p in split(parents):
            assert ("disease", p) in graph.index, p
            graph.edge("disease_disease", "parent-child", graph.node(p, "disease"), d)
        for p in split(phenotypes):
            graph.edge("disease_phenotype_positive", "phenotype present", d, graph.node(p, "effect/phenotype"))
        for g in split(genes):
            graph.edge("disease_protein", "associated with", d, graph.node(g, "gene/protein"))
        for a in split(anatomy):
            graph.edge("disease_anatomy", "located in", d, graph.node(a, "anatomy"))
    graph.edge("disease_phenotype_positive", "phenotype present", graph.node("pain disorder", "disease"),
               graph.node("pain", "effect/phenotype"))
    for name, atc, rx, indications, against, targets, effects in table(DRUGS):
        drug = graph.node(name, "drug")
        for relation, display, items, kind in (("indication", "indication", indications, "disease"),
                                               ("contraindication", "contraindication", against, "disease"),
                                               ("drug_protein", "target", targets, "gene/protein"),
                                               ("drug_effect", "side effect", effects, "effect/phenotype")):
            for item in split(items):
                assert kind != "disease" or ("disease", item) in graph.index, item
                graph.edge(relation, display, drug, graph.node(item, kind))
    for name, genes in table(PATHWAYS):
        p = graph.node(name, "pathway")
        for g in split(genes):
            graph.edge("pathway_protein", "interacts with", p, graph.node(g, "gene/protein"))
    for name, others in table(INTERACTIONS):
        for other in split(others):
            assert ("drug", other) in graph.index, other
            graph.edge("drug_drug", "synergistic interaction", graph.node(name, "drug"), graph.node(other, "drug"))
    return graph


def write_graph(graph):
    columns = ("relation,display_relation,x_index,x_id,x_type,x_name,x_source,"
               "y_index,y_id,y_type,y_name,y_source").split(",")

    def end(i):
        name, kind = graph.nodes[i]
        return [i, "sample:" + name.replace(" ", "_"), kind, name, "sample"]

    with open(os.path.join(HERE, "kg.csv"), "w", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        for relation, display, a, b in graph.edges:
            out.writerow([relation, display] + end(a) + end(b))
            out.writerow([relation, display] + end(b) + end(a))


def write_codes(graph):
    rows, seen = [], set()

    def add(system, code, title, names=(), kind="disease"):
        if (system, code) in seen:
            raise SystemExit(f"{system} {code} is listed twice")
        seen.add((system, code))
        for name in names:
            if (kind, name) not in graph.index:
                raise SystemExit(f"{code}: no node {name}")
        rows.append((system, code, title, ";".join(str(graph.index[kind, name]) for name in names)))

    with open(os.path.join(HERE, "codes.txt"), encoding="utf-8") as file:
        system = ""
        for line in file:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                system = line.strip("[]")
                continue
            code, title, names = (line.split(" | ") + [""])[:3]
            add(system, code, title, split(names))
    for name, atc, rx, *_ in table(DRUGS):
        add("ATC", atc, name, [name], "drug")
    for name, atc, rx, *_ in table(DRUGS):
        add("RxNorm", rx, name.capitalize(), [name], "drug")
    with open(os.path.join(HERE, "codes.tsv"), "w", encoding="utf-8") as file:
        file.write("system\tcode\tdescription\tnodes\n")
        for row in rows:
            file.write("\t".join(row) + "\n")
    return rows


if __name__ == "__main__":
    graph = build_graph()
    write_graph(graph)
    codes = write_codes(graph)
    kinds = sorted({kind for _, kind in graph.nodes})
    print(len(codes), "codes;", len(graph.nodes), "nodes of", len(kinds), "types;", 2 * len(graph.edges), "rows")
