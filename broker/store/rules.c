/* Which mapping rules are there, and did clients, keys or rules change? Rules are written by `idbridge map ...`; the
 * revision is read by everybody who keeps a snapshot of those three. Triggers count it (schema.c), so that a change
 * made by another process counts too. */
#include "db.h"

static const struct field fields[] = {
    FIELD(rule_row, TEXT, name),
    FIELD(rule_row, TEXT, text),
    FIELD(rule_row, INT, changed),
};

enum result store_rule_put(struct fault *f, struct store_view *v, const struct rule_row *r)
{
    CLEANUP(statement) struct statement st = {0};
    if (r->name == NULL || r->text == NULL)
        return FAULT(f, RESULT_INVALID, "a rule needs a name and a text");
    TRY(statement_open(f, v, "INSERT INTO rule(name, text, changed) VALUES(?, ?, ?)"
                             " ON CONFLICT DO UPDATE SET text = excluded.text, changed = excluded.changed", &st));
    put_fields(&st, fields, COUNT_OF(fields), r);
    return statement_run(f, &st);
}

enum result store_rule_remove(struct fault *f, struct store_view *v, const char *name)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "DELETE FROM rule WHERE name = ?", &st));
    put_text(&st, name);
    return statement_run_one(f, &st);
}

struct walk {
    enum result (*each)(void *arg, const struct rule_row *r);
    void *arg;
};

static enum result row(struct fault *f, struct statement *st, struct arena *a, void *arg)
{
    const struct walk *w = arg;
    struct rule_row r;
    get_fields(st, fields, COUNT_OF(fields), a, &r);
    TRY(statement_read(f, st));
    return w->each(w->arg, &r);
}

enum result store_rule_each(struct fault *f, struct store_view *v, struct arena *a,
                            enum result (*each)(void *arg, const struct rule_row *r), void *arg)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT name, text, changed FROM rule ORDER BY name", &st));
    return statement_each(f, &st, a, row, &(struct walk){each, arg});
}

enum result store_revision(struct fault *f, struct store_view *v, int64_t *out_r)
{
    CLEANUP(statement) struct statement st = {0};
    TRY(statement_open(f, v, "SELECT number FROM revision", &st));
    TRY(statement_row(f, &st));
    *out_r = get_int(&st);
    return RESULT_OK;
}
