package main
import (_ "github.com/mattn/go-sqlite3"; _ "modernc.org/sqlite")
func main(){}
