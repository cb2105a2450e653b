package main

import (
	"strconv"
	"time"

	"github.com/runstonedb/runstone/lineage"
	"github.com/runstonedb/runstone/store"
	"github.com/spf13/cobra"
)

func (a *app) modelsHistory() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history MODEL", Short: "List the changes of a model, the newest first", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.completeArgs(a.modelNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			list, now, n := jsonList{a: a}, time.Now(), 0
			t := newTable("WHEN", "WHO", ">VERSION", "CHANGE", "WHY")
			err := a.viewRows(cmd.Context(), func(tx *store.Tx) error {
				for c, err := range lineage.History(tx, args[0], 0) {
					if err != nil {
						return err
					}
					if n++; limit > 0 && n > limit {
						return nil
					}
					if a.json {
						if err := list.add(viewChange(&c)); err != nil {
							return err
						}
						continue
					}
					version := ""
					if c.Version > 0 {
						version = strconv.Itoa(c.Version)
					}
					t.add(ago(now, c.Author.At), c.Author.Name, version, describeChange(&c), c.Author.Reason)
				}
				return nil
			})
			switch {
			case err != nil:
				return noModel(err)
			case a.json:
				return list.end()
			}
			return a.print(t)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", defaultLimit, "show at most so many; 0 is all")
	return cmd
}

// describeChange says in one line what was done.
func describeChange(c *lineage.Change) string {
	text := c.Action.String()
	if c.Name != "" {
		text += " " + c.Name
	}
	switch {
	case c.Action == lineage.Described || c.Action == lineage.Created && c.Version == 0:
	case c.Old != "" && c.New != "":
		text += ": " + c.Old + " → " + c.New
	case c.Old+c.New != "":
		text += ": " + c.Old + c.New
	}
	return text
}

type changeView struct {
	Number  int    `json:"number"`
	At      int64  `json:"time"`
	By      string `json:"user"`
	Reason  string `json:"reason"`
	Action  string `json:"action"`
	Version int    `json:"version"` // 0: of the model
	Name    string `json:"key"`
	Old     string `json:"old"`
	New     string `json:"new"`
}

func viewChange(c *lineage.Change) changeView {
	return changeView{
		Number: c.Number, At: c.Author.At, By: c.Author.Name, Reason: c.Author.Reason,
		Action: c.Action.String(), Version: c.Version, Name: c.Name, Old: c.Old, New: c.New,
	}
}
