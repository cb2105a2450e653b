package runstone

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/runstonedb/runstone/index"
	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
)

// SetTags sets tags of an active run; the last of equal keys counts.
func (db *DB) SetTags(ctx context.Context, id string, tags ...KV) error {
	return db.LogBatch(ctx, id, Batch{Tags: tags})
}

// DeleteTag removes a tag of an active run. [ErrNotFound] when it is not there.
func (db *DB) DeleteTag(ctx context.Context, id, key string) error {
	return db.do(ctx, db.opt.Durability, &runFields{ID: id, Remove: key})
}

// runFields sets params and tags of a run.
type runFields struct {
	ID     string
	Params []KV
	Tags   []KV
	Remove string   // a tag
	Models []string // logged models that metrics are about
	Single bool     // one param on its own: MLflow words its refusal differently

	run uint32
}

func (o *runFields) kind() opKind { return kindRunFields }

func (o *runFields) apply(tx *store.Tx) error {
	run, row, err := loadActiveRun(tx, o.ID)
	if err != nil {
		return err
	}
	o.run = run
	if err := o.check(); err != nil {
		return err
	}
	if err := index.Touch(tx, run); err != nil { // metrics may come with it too
		return err
	}
	if err := o.saveParams(tx); err != nil {
		return err
	}
	if err := saveTags(tx, run, o.Tags); err != nil {
		return err
	}
	for _, id := range o.Models {
		if err := lineage.LogModelMetric(tx, run, id); err != nil {
			return err
		}
	}
	for _, t := range o.Tags {
		if t.Key == TagRunName && t.Value != "" && t.Value != row.Name {
			row.Name = t.Value
			if err := saveRun(tx, run, row); err != nil {
				return err
			}
		}
	}
	if o.Remove == "" {
		return nil
	}
	return o.remove(tx)
}

// check holds keys and values to the rules again: an inbox may bring anything.
func (o *runFields) check() error {
	for _, p := range o.Params {
		if err := CheckKey(p.Key, "Param key", "key"); err != nil {
			return err
		}
		if len(p.Value) > 4*MaxParamValue {
			return invalid("'value' exceeds the maximum length of %d characters", MaxParamValue)
		}
	}
	for _, t := range o.Tags {
		if err := CheckKey(t.Key, "key", "key"); err != nil {
			return err
		}
		if len(t.Value) > 4*MaxTagValue {
			return invalid("'value' exceeds the maximum length of %d characters", MaxTagValue)
		}
	}
	return nil
}

func (o *runFields) remove(tx *store.Tx) error {
	key, ok, err := tx.Ord(kindTag, o.Remove)
	if err == nil && ok {
		ok, err = tx.Has(tagKey(o.run, key))
	}
	if err != nil {
		return err
	}
	if !ok {
		return notFound("No tag with name: %s in run with id %s", o.Remove, o.ID)
	}
	return tx.Delete(tagKey(o.run, key))
}

func saveTags(tx *store.Tx, run uint32, tags []KV) error {
	for _, t := range tags {
		key, err := tx.Intern(kindTag, t.Key)
		if err != nil {
			return err
		}
		if err := saveText(tx, tagKey(run, key), t.Value); err != nil {
			return err
		}
	}
	return nil
}

// saveParams writes params, which keep their first values.
func (o *runFields) saveParams(tx *store.Tx) error {
	var changed []string
	for _, p := range o.Params {
		key, err := tx.Intern(kindParam, p.Key)
		if err != nil {
			return err
		}
		old, err := loadText(tx, paramKey(o.run, key))
		switch {
		case errors.Is(err, ErrNotFound):
			err = saveText(tx, paramKey(o.run, key), p.Value)
		case err == nil && old != p.Value && o.Single:
			return invalid("Changing param values is not allowed. Param with key='%s' was already logged with value='%s' for run ID='%s'. Attempted logging new value '%s'.",
				p.Key, old, o.ID, p.Value)
		case err == nil && old != p.Value:
			changed = append(changed, fmt.Sprintf("{'key': %s, 'old_value': %s, 'new_value': %s}",
				quotePython(p.Key), quotePython(old), quotePython(p.Value)))
		}
		if err != nil {
			return err
		}
	}
	if changed != nil {
		return invalid("Changing param values is not allowed. Params were already logged='[%s]' for run ID='%s'.",
			strings.Join(changed, ", "), o.ID)
	}
	return nil
}
