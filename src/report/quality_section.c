/* What inspect measured. */
#include "base/status.h"
#include "report/html.h"
#include "report/measures_table.h"
#include "report/sections.h"

int report_quality_section(struct report *x) {
    if (!report_any(x, REPORT_QUALITY)) return STATUS_OK;
    html_section_begin(x->page.out, "quality", "Quality of the tokens");
    TRY(measures_table_write(x, REPORT_QUALITY, "quality", "Measures of the tokens, with bootstrap intervals"));
    html_section_end(x->page.out);
    return STATUS_OK;
}
